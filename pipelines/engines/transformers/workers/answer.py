"""Child process: answers prompts with a checkpoint folder, appending answers batch by batch."""

import json

from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.engines.answer_log import AnswerLog
from quantgate.pipelines.engines.binding.answers import Binder
from quantgate.pipelines.engines.binding.vocabularies import vocabulary_of_tokenizer
from quantgate.pipelines.engines.requests import AnswerRequest, AnswerTally, Prompt
from quantgate.pipelines.engines.stop_texts import before_stop
from quantgate.pipelines.engines.transformers.batches import batches
from quantgate.pipelines.engines.transformers.workers.decode import PromptRow, decode_batch
from quantgate.pipelines.engines.transformers.workers.model import LoadedModel, load
from quantgate.pipelines.files.records import from_json
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve


def answer(request: AnswerRequest, on_progress: OnProgress) -> AnswerTally:
    """Answer every prompt the answers file lacks.

    Batches are laid over all prompts, answered or not, and a batch with any answer missing is decoded
    whole: so an interrupted run gives the very answers that an uninterrupted one gives.

    Raises:
        InputError: where a JSON schema that binds an answer cannot be made a grammar.
        ToolchainError: where one is to bind an answer, and the tokenizer's bytes cannot be told.
    """
    prompts = [
        from_json(Prompt, json.loads(line)) for line in request.prompts.read_bytes().splitlines()
    ]
    log = AnswerLog(request.answers)
    before = len(log.answered)
    layout = batches([len(prompt.token_ids) for prompt in prompts], request.schedule.slots)
    missing = [
        [prompts[index] for index in batch]
        for batch in layout
        if any(prompts[index].item_id not in log.answered for index in batch)
    ]
    if missing:
        on_progress(Progress(done=before, total=len(prompts), what="loading the model"))
        loaded = load(request.loadable.path)
        stops = frozenset(request.stop_token_ids)
        bound = any(prompt.schema is not None for prompt in prompts)
        begin = None
        if bound:
            begin = Binder(vocabulary_of_tokenizer(loaded.tokenizer, stops), stops).begin
        for batch in missing:
            rows = decode_batch(loaded, batch, request.decode, stops, begin)
            log.append(_answer(loaded, row) for row in rows)
            on_progress(Progress(done=len(log.answered), total=len(prompts), what="answering"))
    return AnswerTally(answered=len(log.answered) - before, resumed=before)


def _answer(loaded: LoadedModel, row: PromptRow) -> Answer:
    finish = row.finish or "error"
    token_ids, text, stopped = before_stop(row.generated, row.prompt.stop, loaded.text_of)
    return Answer(
        item_id=row.prompt.item_id,
        text=text,
        token_ids=token_ids,
        finish_reason="stop" if stopped and finish != "error" else finish,
        prompt_tokens=len(row.prompt.token_ids),
    )


if __name__ == "__main__":
    serve(answer, AnswerRequest)
