"""Child process: how far a base, as llama.cpp computes it, is from the checkpoint itself.

Each passage is decoded as a prompt is when it is answered: by the same engine, in a context of its length.
"""

import ctypes

import llama_cpp

from quantgate.pipelines.engines.divergence.base_messages import Passage, PositionDivergences
from quantgate.pipelines.engines.divergence.positions import PositionComparison, checkpoint_logits
from quantgate.pipelines.engines.llamacpp.layout import Layout
from quantgate.pipelines.engines.llamacpp.slots import Batch
from quantgate.pipelines.engines.llamacpp.workers.engine import EngineSettings, LlamaEngine
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog, open_model
from quantgate.pipelines.engines.requests import BaseDivergenceRequest
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

_BATCH_TOKENS = 256


def measure(request: BaseDivergenceRequest, on_progress: OnProgress) -> PositionDivergences:
    """Compare at every position of every passage.

    Raises:
        CheckpointError: where the file does not load.
        InputError: where the checkpoint's logits were altered since.
        WorkerError: where decoding fails.
    """
    log = LlamaLog()
    checkpoint = request.checkpoint_logits
    settings = EngineSettings(threads=request.threads, kv_cache="f16")
    total = sum(len(passage.positions) for passage in checkpoint.passages)
    with checkpoint_logits(checkpoint.output) as logits:
        comparison = PositionComparison(logits)
        model = open_model(request.base.path, log)
        try:
            for passage in checkpoint.passages:
                _compare(model, passage, comparison, settings, log)
                done = comparison.compared
                on_progress(Progress(done=done, total=total, what="comparing with the checkpoint"))
        finally:
            llama_cpp.llama_model_free(model)
    return comparison.result(total)


def _compare(
    model: ctypes.c_void_p,
    passage: Passage,
    comparison: PositionComparison,
    settings: EngineSettings,
    log: LlamaLog,
) -> None:
    ids, compared = passage.token_ids, frozenset(passage.positions)
    layout = Layout(slots=1, shared=(), slot_tokens=len(ids), batch_tokens=_BATCH_TOKENS)
    engine = LlamaEngine(model, layout, settings, log)
    try:
        for start in range(0, len(ids), _BATCH_TOKENS):
            batch = Batch()
            for at, token in enumerate(ids[start : start + _BATCH_TOKENS], start=start):
                batch.add((token,), position=at, slot=0, last_is_output=at in compared)
            comparison.add(engine.decode(batch))
    finally:
        engine.close()


if __name__ == "__main__":
    serve(measure, BaseDivergenceRequest)
