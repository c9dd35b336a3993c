"""Child process: how far next-token distributions of a checkpoint folder drift from its base folder's.

Models are loaded one after the other, never together, and asked through a KV cache as they are when they
answer, so that a cache stored in low precision counts.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from transformers import DynamicCache

from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.engines.divergence.base_logits import (
    BaseLogits,
    BasePass,
    Logits,
    Windows,
    base_logits,
    batch_tokens,
    read_windows,
    refuse_unknown,
)
from quantgate.pipelines.engines.divergence.sums import DivergenceSums
from quantgate.pipelines.engines.requests import DivergenceRequest, Loadable
from quantgate.pipelines.engines.transformers.workers.forward import forward, keeps_states
from quantgate.pipelines.engines.transformers.workers.model import LoadedModel, load
from quantgate.pipelines.engines.transformers.workers.resemblance import resemblances
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

NewCache = Callable[..., DynamicCache]
"""Makes an empty KV cache for `config=`, a model's configuration."""


def measure(request: DivergenceRequest, on_progress: OnProgress) -> Divergence:
    """Hold a variant's folder against the base's.

    Raises:
        CheckpointError: where a folder does not load, or its vocabulary is not the base's.
        InputError: where there is no position to compare, or a token id that the base does not know.
    """
    sequences, max_tokens = request.sequences, request.max_tokens
    on_progress(Progress(done=0, total=2, what="measuring divergence"))
    with base_logits(
        request.base_logits, lambda: base_pass(request.base, sequences, max_tokens)
    ) as base:
        loaded = load(request.variant.path, request.variant.residence)
        measured = divergence(loaded, base)
        alike = resemblances(loaded, request.base.path)
    on_progress(Progress(done=2, total=2, what="measuring divergence"))
    return replace(measured, resemblances=alike)


@contextmanager
def base_pass(model: Loadable, sequences: Path, max_tokens: int) -> Iterator[BasePass]:
    """Yield a base's pass over the windows to compare at; see `DivergenceRequest`.

    Raises:
        InputError: where there is no position to compare, or a token id that the base does not know.
    """
    loaded = load(model.path, model.residence)
    windows = read_windows(
        sequences, max_tokens=max_tokens, context_tokens=loaded.context_length_tokens
    )
    refuse_unknown(windows, loaded.model.get_input_embeddings().num_embeddings, sequences)
    yield BasePass(
        vocabulary_size=loaded.model.config.get_text_config().vocab_size,
        windows=windows,
        logits=_logits(loaded, windows, DynamicCache),
    )


def divergence(
    loaded: LoadedModel, base: BaseLogits, new_cache: NewCache = DynamicCache
) -> Divergence:
    """Return a model's divergence from the base; `new_cache` makes what holds its keys and values.

    Raises:
        CheckpointError: where its vocabulary is not the base's.
    """
    sums = DivergenceSums(base, torch.get_num_threads())
    for logits in _logits(loaded, base.windows, new_cache):
        sums.add(logits)
    return sums.result()


@torch.inference_mode()
def _logits(loaded: LoadedModel, windows: Windows, new_cache: NewCache) -> Iterator[Logits]:
    """Yield the logits after every token but the last of each window, in batches of bounded size.

    A window whose states cannot be gone on from goes at once.
    """
    size = batch_tokens(loaded.model.config.get_text_config().vocab_size)
    for window in windows:
        cache = new_cache(config=loaded.model.config)
        together = max(1, len(window) - 1) if keeps_states(cache) else size
        for start in range(0, len(window) - 1, together):
            part = window[start : min(start + together, len(window) - 1)]
            ids = torch.tensor([part], device=loaded.device)
            output = forward(loaded.model, input_ids=ids, past_key_values=cache, use_cache=True)
            yield output.logits[0].float().cpu().numpy()


if __name__ == "__main__":
    serve(measure, DivergenceRequest)
