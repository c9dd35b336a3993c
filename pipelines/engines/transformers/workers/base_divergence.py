"""Child process: how far a base, as the transformers runtime computes it, is from the checkpoint itself.

What differs is what that runtime does when it answers: bfloat16, a cache, attention kernels, the device.
"""

import torch
from transformers import DynamicCache

from quantgate.pipelines.engines.divergence.base_messages import PositionDivergences
from quantgate.pipelines.engines.divergence.positions import PositionComparison, checkpoint_logits
from quantgate.pipelines.engines.requests import BaseDivergenceRequest
from quantgate.pipelines.engines.transformers.workers.checkpoint_logits import passage_logits
from quantgate.pipelines.engines.transformers.workers.model import load
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve


@torch.inference_mode()
def measure(request: BaseDivergenceRequest, on_progress: OnProgress) -> PositionDivergences:
    """Compare at every position of every passage.

    Raises:
        CheckpointError: where the folder does not load.
        InputError: where the checkpoint's logits were altered since.
    """
    checkpoint = request.checkpoint_logits
    total = sum(len(passage.positions) for passage in checkpoint.passages)
    on_progress(Progress(done=0, total=total, what="loading the model"))
    model = load(request.base.path, request.base.residence).model
    with checkpoint_logits(checkpoint.output) as stored:
        comparison = PositionComparison(stored)
        for passage in checkpoint.passages:
            cache = DynamicCache(config=model.config)
            logits = passage_logits(model, passage, past_key_values=cache, use_cache=True)
            comparison.add(logits)
            done = comparison.compared
            on_progress(Progress(done=done, total=total, what="comparing with the checkpoint"))
    return comparison.result(total)


if __name__ == "__main__":
    serve(measure, BaseDivergenceRequest)
