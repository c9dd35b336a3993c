"""Child process: looks at a GGUF before any item is asked."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.llamacpp.layout import Layout
from quantgate.pipelines.engines.llamacpp.slots import Batch
from quantgate.pipelines.engines.llamacpp.workers.engine import EngineSettings, LlamaEngine
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog, open_model
from quantgate.pipelines.engines.llamacpp.workers.vocabulary import Vocabulary
from quantgate.pipelines.engines.request_files import PROBED_TOKENS, probe_texts
from quantgate.pipelines.engines.requests import ProbeReport, ProbeRequest
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

# Every token's logits are looked at, and there are a vocabulary of them each.
_BATCH_TOKENS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    texts: int
    mismatched: tuple[str, ...]
    longest: tuple[int, ...]


def probe(request: ProbeRequest, on_progress: OnProgress) -> ProbeReport:
    """Load, compare token ids, decode once; a file that llama.cpp refuses is a report with its reason."""
    on_progress(Progress(done=0, total=0, what="loading the model"))
    log = LlamaLog()
    try:
        model = open_model(request.loadable.path, log)
    except CheckpointError as error:
        return ProbeReport.unloaded(error.what)
    vocabulary = Vocabulary(model)
    compared = _compare(request.texts, vocabulary, on_progress)
    settings = EngineSettings(threads=request.threads, kv_cache=request.loadable.kv_cache)
    finite, detail = _decode(model, compared.longest, vocabulary, settings, log)
    return ProbeReport(
        loads=True,
        finite_logits=finite,
        compared_texts=compared.texts,
        mismatched_texts=compared.mismatched,
        beginning_of_sequence_id=vocabulary.number("tokenizer.ggml.bos_token_id"),
        end_of_sequence_id=vocabulary.number("tokenizer.ggml.eos_token_id"),
        vocabulary_size=vocabulary.size,
        chat_template=vocabulary.chat_template,
        detail=detail,
    )


def _compare(texts: Path, vocabulary: Vocabulary, on_progress: OnProgress) -> _Compared:
    mismatched: list[str] = []
    longest: tuple[int, ...] = ()
    count = 0
    for count, text in enumerate(probe_texts(texts), start=1):
        if vocabulary.token_ids(text.text) != list(text.token_ids):
            mismatched.append(text.id)
        if len(text.token_ids) > len(longest):
            longest = text.token_ids
        on_progress(Progress(done=count, total=0, what="comparing token ids"))
    return _Compared(texts=count, mismatched=tuple(mismatched), longest=longest)


def _decode(
    model: ctypes.c_void_p,
    token_ids: Sequence[int],
    vocabulary: Vocabulary,
    settings: EngineSettings,
    log: LlamaLog,
) -> tuple[bool, str]:
    """Decode a text's beginning, with room for all of it; return whether every logit is finite, and a remark.

    Raises:
        ToolchainError: where there is too little memory for it.
        WorkerError: where llama.cpp does not decode; that says nothing of the logits.
    """
    readable = [token for token in token_ids if 0 <= token < vocabulary.size] or [0]
    readable = readable[: llama_cpp.llama_model_n_ctx_train(model)]
    layout = Layout(slots=1, shared=(), slot_tokens=len(readable), batch_tokens=_BATCH_TOKENS)
    readable = readable[:PROBED_TOKENS]
    try:
        engine = LlamaEngine(model, layout, settings, log)
        for start in range(0, len(readable), _BATCH_TOKENS):
            batch = Batch()
            for offset, token in enumerate(readable[start : start + _BATCH_TOKENS]):
                batch.add((token,), position=start + offset, slot=0, last_is_output=True)
            if not numpy.isfinite(engine.decode(batch)).all():
                return False, f"logits are not finite after {start + len(batch.tokens)} tokens"
    except CheckpointError as error:
        return False, error.what
    return True, f"loaded and decoded {len(readable)} tokens"


if __name__ == "__main__":
    serve(probe, ProbeRequest)
