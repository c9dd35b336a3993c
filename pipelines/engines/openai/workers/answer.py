"""Child process: asks a server, many prompts at a time, appending answers as they come."""

from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed

from quantgate.pipelines.domain.errors import QuantgateError
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.engines.answer_log import AnswerLog
from quantgate.pipelines.engines.openai.answers import Completions
from quantgate.pipelines.engines.openai.messages import Served
from quantgate.pipelines.engines.openai.session import Session, session
from quantgate.pipelines.engines.request_files import read_prompts
from quantgate.pipelines.engines.requests import AnswerRequest, AnswerTally, Prompt
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve


def answer(call: Served[AnswerRequest], on_progress: OnProgress) -> AnswerTally:
    """Answer every prompt the answers file lacks, in file order, as many at a time as there are slots.

    After an error no further prompt is sent; those under way are waited for and their answers are kept.

    Raises:
        ServiceError: where the server refuses, or replies with what is no answer to our prompt.
        WorkerError: where a started server ends or does not answer.
    """
    request = call.request
    prompts = read_prompts(request.prompts)
    log = AnswerLog(request.answers)
    before = len(log.answered)
    missing = [prompt for prompt in prompts if prompt.item_id not in log.answered]
    if not missing:
        return AnswerTally(answered=0, resumed=before)
    on_progress(Progress(done=before, total=len(prompts), what="waiting for the server"))
    with session(call.serving) as served:
        _ask_all(request, served, missing, log, len(prompts), on_progress)
    return AnswerTally(answered=len(log.answered) - before, resumed=before)


def _ask_all(
    request: AnswerRequest,
    served: Session,
    missing: list[Prompt],
    log: AnswerLog,
    total: int,
    on_progress: OnProgress,
) -> None:
    completions = Completions(
        server=served.server,
        served_name=served.served_name,
        decode=request.decode,
        stop_token_ids=request.stop_token_ids,
    )
    first_error: QuantgateError | None = None
    with ThreadPoolExecutor(served.server.concurrency) as pool:
        try:
            pending = [pool.submit(_ask, served, completions, prompt) for prompt in missing]
            for done in as_completed(pending):
                try:
                    log.append([done.result()])
                except CancelledError:
                    continue
                except QuantgateError as error:
                    first_error = first_error or error
                    _cancel(pending)
                    continue
                answered = len(log.answered)
                on_progress(
                    Progress(done=answered, total=total, what="answering", tokens=log.tokens)
                )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if first_error is not None:
        raise first_error


def _ask(served: Session, completions: Completions, prompt: Prompt) -> Answer:
    reply = served.client.post(
        completions.path_of(prompt), completions.body(prompt), f"item {prompt.item_id}"
    )
    return completions.answer(prompt, reply, served.text_of)


def _cancel(pending: list[Future[Answer]]) -> None:
    for future in pending:
        future.cancel()


if __name__ == "__main__":
    serve(answer, Served[AnswerRequest])
