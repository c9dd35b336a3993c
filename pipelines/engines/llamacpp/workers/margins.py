"""Child process: greedy answers of a GGUF, with the decision in each that was closest."""

import json
from collections.abc import Sequence

import llama_cpp
import numpy

from quantgate.pipelines.engines.llamacpp.layout import groups, lay_out
from quantgate.pipelines.engines.llamacpp.sampling import two_likeliest
from quantgate.pipelines.engines.llamacpp.slots import Answering, DecodingRules, Logits, run_group
from quantgate.pipelines.engines.llamacpp.workers.engine import EngineSettings, LlamaEngine
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog, open_model
from quantgate.pipelines.engines.llamacpp.workers.vocabulary import Vocabulary
from quantgate.pipelines.engines.margins import AnswerMargin, MarginsCall, MarginsTally
from quantgate.pipelines.engines.request_files import read_prompts
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve


def measure(call: MarginsCall, on_progress: OnProgress) -> MarginsTally:
    """Answer every prompt and write one margin for each that got at least one token decided.

    Raises:
        CheckpointError: where the GGUF does not load.
        WorkerError: where decoding fails.
    """
    prompts = read_prompts(call.prompts)
    log = LlamaLog()
    model = open_model(call.model, log, layout="plain")
    context = llama_cpp.llama_model_n_ctx_train(model)
    watch = _Watch()
    rules = DecodingRules(
        stop_token_ids=frozenset(call.stop_token_ids),
        room=lambda prompt: min(call.max_tokens, context - len(prompt.token_ids)),
        choose=watch,
    )
    vocabulary = Vocabulary(model)
    answered = 0
    with call.margins.open("w", encoding="utf-8") as file:
        for group in groups(prompts, rules.room, call.slots):
            layout = lay_out(group, rules.room, call.slots)
            engine = LlamaEngine(
                model, layout, EngineSettings(threads=call.threads, kv_cache="f16"), log
            )
            ended: list[Answering] = []
            run_group(group, engine, layout, rules, ended.extend)
            engine.close()
            for sequence in ended:
                if sequence.prompt.item_id in watch.closest:
                    margin = watch.margin(sequence, vocabulary)
                    file.write(json.dumps(to_json(margin), ensure_ascii=False) + "\n")
                    answered += 1
            on_progress(Progress(done=answered, total=len(prompts), what="measuring margins"))
    return MarginsTally(answered=answered)


class _Watch:
    """Chooses greedily and remembers each answer's closest decision: gap, position, chosen, runner-up."""

    def __init__(self) -> None:
        self.closest: dict[str, tuple[float, int, int, int]] = {}

    def __call__(self, logits: Logits, asking: Sequence[Answering]) -> Sequence[int]:
        first, second = two_likeliest(logits)
        rows = numpy.arange(len(first))
        gaps = logits[rows, first] - logits[rows, second]
        for index, sequence in enumerate(asking):
            decision = (
                float(gaps[index]),
                len(sequence.generated),
                int(first[index]),
                int(second[index]),
            )
            closest = self.closest.get(sequence.prompt.item_id)
            if numpy.isfinite(decision[0]) and (closest is None or decision[0] < closest[0]):
                self.closest[sequence.prompt.item_id] = decision
        chosen: list[int] = first.tolist()
        return chosen

    def margin(self, ended: Answering, vocabulary: Vocabulary) -> AnswerMargin:
        """Return what is to be written of an ended answer."""
        gap, position, chosen, runner_up = self.closest[ended.prompt.item_id]
        return AnswerMargin(
            item_id=ended.prompt.item_id,
            answer=vocabulary.text(ended.generated),
            smallest=gap,
            position=position,
            chosen=vocabulary.text([chosen]),
            runner_up=vocabulary.text([runner_up]),
            decisions=len(ended.generated) + (ended.finish == "stop"),
        )


if __name__ == "__main__":
    serve(measure, MarginsCall)
