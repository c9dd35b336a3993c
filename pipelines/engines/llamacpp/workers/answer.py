"""Child process: answers prompts with a GGUF, many at a time, appending answers as they end."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import llama_cpp

from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.engines.answer_log import AnswerLog
from quantgate.pipelines.engines.binding.answers import Binder
from quantgate.pipelines.engines.binding.vocabularies import TokenBytes, vocabulary_of_pieces
from quantgate.pipelines.engines.llamacpp.layout import AnswerTokens, room_of
from quantgate.pipelines.engines.llamacpp.sampling import chooser
from quantgate.pipelines.engines.llamacpp.sharing import share_out, sharing
from quantgate.pipelines.engines.llamacpp.slots import Answering, DecodingRules, run_group
from quantgate.pipelines.engines.llamacpp.workers.devices import gpus_for_llamacpp
from quantgate.pipelines.engines.llamacpp.workers.engine import EngineSettings, LlamaEngine
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog, open_model
from quantgate.pipelines.engines.llamacpp.workers.vocabulary import Vocabulary
from quantgate.pipelines.engines.request_files import read_prompts
from quantgate.pipelines.engines.requests import AnswerRequest, AnswerTally
from quantgate.pipelines.engines.stop_texts import answer_of
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve


def answer(request: AnswerRequest, on_progress: OnProgress) -> AnswerTally:
    """Answer every prompt the answers file lacks.

    Groups are laid over all prompts, answered or not, and a group with any answer missing is decoded
    whole: so an interrupted run gives the very answers that an uninterrupted one gives.

    Raises:
        CheckpointError: where the GGUF does not load.
        InputError: where a JSON schema that binds an answer cannot be made a grammar.
        WorkerError: where decoding fails.
    """
    prompts = read_prompts(request.prompts)
    answers = AnswerLog(request.answers)
    earlier = answers.answered
    if all(prompt.item_id in earlier for prompt in prompts):
        return AnswerTally(answered=0, resumed=len(earlier))
    on_progress(Progress(done=len(earlier), total=len(prompts), what="loading the model"))
    log = LlamaLog()
    model = open_model(request.loadable.path, log)
    schedule = request.schedule
    weights = llama_cpp.llama_model_n_params(model)
    shares = sharing(
        len(prompts),
        schedule.slots,
        schedule.threads,
        weights,
        on_gpus=gpus_for_llamacpp() > 0,
    )
    room = room_of(request.decode.max_tokens, llama_cpp.llama_model_n_ctx_train(model))
    shared = share_out(prompts, room, shares)
    vocabulary = Vocabulary(model)
    recorder = _Recorder(answers, vocabulary, len(prompts), on_progress)
    bound = any(prompt.schema is not None for prompt in prompts)
    binding = vocabulary_of_pieces(vocabulary.pieces()) if bound else None

    def answer_group(index: int, threads: int) -> None:
        group, layout = shared.groups[index], shared.layouts[index]
        if all(prompt.item_id in earlier for prompt in group):
            return
        settings = EngineSettings(threads=threads, kv_cache=request.loadable.kv_cache)
        engine = LlamaEngine(model, layout, settings, log)
        rules = _rules(request, room, vocabulary, binding)
        run_group(group, engine, layout, rules, recorder.take)
        engine.close()

    for stage in shared.stages:
        share = partial(answer_group, threads=schedule.threads // stage.at_once)
        with ThreadPoolExecutor(stage.at_once) as pool:
            list(pool.map(share, stage.groups))  # raises what one of them raised
    return AnswerTally(answered=len(answers.answered) - len(earlier), resumed=len(earlier))


def _rules(
    request: AnswerRequest,
    room: AnswerTokens,
    vocabulary: Vocabulary,
    binding: TokenBytes | None,
) -> DecodingRules:
    """One thread's rules: grammars and random streams are not shared with others."""
    stops = frozenset(request.stop_token_ids)
    begin = Binder(binding, stops).begin if binding else None
    return DecodingRules(
        stop_token_ids=stops,
        room=room,
        choose=chooser(request.decode, begin, stops),
        text_of=vocabulary.text,
    )


class _Recorder:
    """Writes ended sequences down and reports them; engines side by side take turns."""

    def __init__(
        self, answers: AnswerLog, vocabulary: Vocabulary, total: int, on_progress: OnProgress
    ) -> None:
        self._answers, self._vocabulary = answers, vocabulary
        self._total, self._on_progress = total, on_progress
        self._turn = threading.Lock()

    def take(self, ended: Sequence[Answering]) -> None:
        """Append the answers the file does not hold."""
        with self._turn:
            self._answers.append(self._answer(sequence) for sequence in ended)
            done = len(self._answers.answered)
            tokens = self._answers.tokens
            self._on_progress(
                Progress(done=done, total=self._total, what="answering", tokens=tokens)
            )

    def _answer(self, sequence: Answering) -> Answer:
        return answer_of(
            sequence.prompt,
            sequence.generated,
            sequence.finish,
            self._vocabulary.text,
            sequence.margin,
        )


if __name__ == "__main__":
    serve(answer, AnswerRequest)
