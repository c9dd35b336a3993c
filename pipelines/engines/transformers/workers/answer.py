"""Child process: answers prompts with a checkpoint folder, appending answers batch by batch."""

from quantgate.pipelines.engines.answer_log import AnswerLog
from quantgate.pipelines.engines.binding.answers import Binder
from quantgate.pipelines.engines.binding.vocabularies import vocabulary_of_tokenizer
from quantgate.pipelines.engines.request_files import read_prompts
from quantgate.pipelines.engines.requests import AnswerRequest, AnswerTally
from quantgate.pipelines.engines.stop_texts import answer_of
from quantgate.pipelines.engines.transformers.batches import batches
from quantgate.pipelines.engines.transformers.workers.decode import decode_batch
from quantgate.pipelines.engines.transformers.workers.model import load
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
    prompts = read_prompts(request.prompts)
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
        loaded = load(request.loadable.path, request.loadable.residence)
        stops = frozenset(request.stop_token_ids)
        bound = any(prompt.schema is not None for prompt in prompts)
        begin = None
        if bound:
            begin = Binder(vocabulary_of_tokenizer(loaded.tokenizer, stops), stops).begin
        for batch in missing:
            rows = decode_batch(loaded, batch, request.decode, stops, begin)
            log.append(
                answer_of(row.prompt, row.generated, row.finish, loaded.text_of, row.margin)
                for row in rows
            )
            done, total = len(log.answered), len(prompts)
            on_progress(Progress(done=done, total=total, what="answering", tokens=log.tokens))
    return AnswerTally(answered=len(log.answered) - before, resumed=before)


if __name__ == "__main__":
    serve(answer, AnswerRequest)
