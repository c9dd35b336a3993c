"""Child process: writes a graded run as a log of inspect-ai (`.eval`), through its own classes."""

import json
from collections.abc import Iterator
from math import sqrt

from inspect_ai.log import (
    EvalConfig,
    EvalDataset,
    EvalLog,
    EvalMetric,
    EvalResults,
    EvalSample,
    EvalScore,
    EvalSpec,
    write_eval_log,
)
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    GenerateConfig,
    ModelOutput,
    ModelUsage,
)
from inspect_ai.scorer import CORRECT, INCORRECT, Score

from quantgate.pipelines.domain.run import Answer, GradedAnswer
from quantgate.pipelines.domain.suites.suite import Item, Message
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.process.harness import serve
from quantgate.pipelines.report.inspect_messages import InspectCall, InspectWritten

_ENDINGS = {"stop": "stop", "length": "max_tokens", "error": "unknown", "context": "model_length"}


def write(call: InspectCall, on_progress: OnProgress) -> InspectWritten:
    """Write the log; samples of an item become its epochs. A run that ended early has not asked all items."""
    del on_progress
    items = {item.id: item for item in call.suite.items}
    samples = [
        _sample(call, items[graded.answer.item_id], sample, epoch)
        for graded in call.run.answers
        for epoch, sample in enumerate(graded.samples or (graded,), start=1)
    ]
    log = EvalLog(
        status="success", eval=_spec(call), results=_results(call, len(samples)), samples=samples
    )
    write_eval_log(log, str(call.output), format="eval")
    return InspectWritten(samples=len(samples))


def _spec(call: InspectCall) -> EvalSpec:
    suite, contract = call.suite, call.run.contract
    epochs = max(suite.decode_of(item).samples for item in suite.items)
    return EvalSpec(
        created=call.created_at,
        task=suite.name,
        task_version=suite.version,
        task_id=suite.digest,
        eval_id=call.run.key,
        run_id=call.run.key,
        dataset=EvalDataset(
            name=suite.name,
            samples=len(suite.items),
            sample_ids=[item.id for item in suite.items],
        ),
        model=call.run.subject,
        model_generate_config=GenerateConfig(
            max_tokens=contract.decode.max_tokens,
            temperature=contract.decode.temperature,
            seed=contract.decode.seed,
            stop_seqs=list(contract.decode.stop) or None,
        ),
        config=EvalConfig(epochs=epochs),
        packages={"quantgate": call.quantgate},
        metadata={"contract": to_json(contract), "subject_digest": call.run.subject_digest},
    )


def _results(call: InspectCall, samples: int) -> EvalResults:
    right = [graded.grade.correct for graded in call.run.answers]
    share = sum(right) / len(right)
    error = sqrt(share * (1 - share) / (len(right) - 1)) if len(right) > 1 else 0.0
    score = EvalScore(
        name="correct",
        scorer="correct",
        metrics={
            "accuracy": EvalMetric(name="accuracy", value=share),
            "stderr": EvalMetric(name="stderr", value=error),
        },
    )
    return EvalResults(total_samples=samples, completed_samples=samples, scores=[score])


def _sample(call: InspectCall, item: Item, graded: GradedAnswer, epoch: int) -> EvalSample:
    answer, grade = graded.answer, graded.grade
    output = _output(call.run.subject, answer)
    expected = item.expected
    return EvalSample(
        id=item.id,
        epoch=epoch,
        input=[_message(message) for message in item.messages],
        target=expected if isinstance(expected, str) else json.dumps(expected, ensure_ascii=False),
        messages=[*(_message(message) for message in item.messages), *_said(graded)],
        output=output,
        scores={
            "correct": Score(
                value=CORRECT if grade.correct else INCORRECT,
                answer=grade.canonical,
                explanation=grade.reason,
                metadata={
                    "score": grade.score,
                    "grader": grade.grader,
                    **{facet.name: facet.score for facet in grade.facets},
                },
            )
        },
        metadata={"slices": list(item.slices), "group": item.group, "critical": item.critical},
    )


def _said(graded: GradedAnswer) -> Iterator[ChatMessage]:
    """Yield the answer; of a loop every answer with what tools and the user said to it."""
    if not graded.steps:
        yield ChatMessageAssistant(content=graded.answer.text, source="generate")
    for step in graded.steps:
        yield ChatMessageAssistant(content=step.answer.text, source="generate")
        yield from (ChatMessageTool(content=result) for result in step.answer.tool_results)
        if step.user is not None:
            yield ChatMessageUser(content=step.user)


def _output(model: str, answer: Answer) -> ModelOutput:
    output = ModelOutput.from_content(
        model=model,
        content=answer.text,
        stop_reason=_ENDINGS[answer.finish_reason],
    )
    output.usage = ModelUsage(
        input_tokens=answer.prompt_tokens,
        output_tokens=len(answer.token_ids),
        total_tokens=answer.prompt_tokens + len(answer.token_ids),
    )
    return output


def _message(message: Message) -> ChatMessage:
    match message.role:
        case "system":
            return ChatMessageSystem(content=message.content)
        case "assistant":
            return ChatMessageAssistant(content=message.content)
        case "tool":
            return ChatMessageTool(content=message.content, tool_call_id=message.tool_call_id)
    return ChatMessageUser(content=message.content)


if __name__ == "__main__":
    serve(write, InspectCall)
