"""Child process: how far next-token distributions of checkpoint folders drift from a base folder's.

Models are loaded one after the other, never together, and asked through a KV cache as they are when they
answer, so that a cache stored in low precision counts.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from transformers import DynamicCache

from pipelines.domain.audit import Divergence
from pipelines.domain.errors import InputError
from pipelines.process.calls import OnProgress, Progress
from pipelines.process.divergences import Divergences
from pipelines.process.harness import serve
from pipelines.process.workers.divergence_sums import (
    BaseLogits,
    DivergenceSums,
    Logits,
    batch_tokens,
    next_tokens,
    read_windows,
)
from pipelines.runtimes.transformers_jobs import DivergenceJob
from pipelines.runtimes.workers.transformers_model import LoadedModel, load
from pipelines.runtimes.workers.transformers_resemblance import resemblances

Windows = Sequence[tuple[int, ...]]
NewCache = Callable[..., DynamicCache]
"""Makes an empty KV cache for `config=`, a model's configuration."""


def measure(job: DivergenceJob, on_progress: OnProgress) -> Divergences:
    """Hold every other folder against the base.

    Raises:
        CheckpointError: where a folder does not load, or its vocabulary is not the base's.
        InputError: where there is no position to compare, or a token id that the base does not know.
    """
    call, values = job.call, []
    total = 1 + len(call.others)
    on_progress(Progress(done=0, total=total, what="measuring divergence"))
    with ExitStack() as kept:
        loaded = load(call.base, job.device)
        windows, base = base_logits(loaded, call.sequences, max_tokens=call.max_tokens)
        kept.enter_context(base)
        for path in call.others:
            del loaded  # before the next one takes its room
            loaded = load(path, job.device)
            found = divergence(loaded, windows, base)
            values.append(replace(found, resemblances=resemblances(loaded, call.base)))
            on_progress(Progress(done=len(values), total=total, what="measuring divergence"))
    return Divergences(values=tuple(values))


def base_logits(
    loaded: LoadedModel, sequences: Path, *, max_tokens: int
) -> tuple[Windows, BaseLogits]:
    """Return the windows to compare at, and the base's logits there.

    Raises:
        InputError: where there is no position to compare, or a token id that the base does not know.
    """
    windows = read_windows(
        sequences, max_tokens=max_tokens, context_tokens=loaded.context_length_tokens
    )
    known = loaded.model.get_input_embeddings().num_embeddings
    highest = max(max(window) for window in windows)
    if highest >= known:
        raise InputError(f"token id {highest} is none of the base's {known}", where=str(sequences))
    size = loaded.model.config.get_text_config().vocab_size
    base = BaseLogits(size, next_tokens(windows))
    for logits in _logits(loaded, windows, DynamicCache):
        base.add(logits)
    return windows, base


def divergence(
    loaded: LoadedModel,
    windows: Windows,
    base: BaseLogits,
    new_cache: NewCache = DynamicCache,
) -> Divergence:
    """Return a model's divergence from the base; `new_cache` makes what holds its keys and values.

    Raises:
        CheckpointError: where its vocabulary is not the base's.
    """
    sums = DivergenceSums(base)
    for logits in _logits(loaded, windows, new_cache):
        sums.add(logits)
    return sums.result()


@torch.inference_mode()
def _logits(loaded: LoadedModel, windows: Windows, new_cache: NewCache) -> Iterator[Logits]:
    """Yield the logits after every token but the last of each window, in batches of bounded size."""
    size = batch_tokens(loaded.model.config.get_text_config().vocab_size)
    for window in windows:
        cache = new_cache(config=loaded.model.config)
        for start in range(0, len(window) - 1, size):
            part = window[start : min(start + size, len(window) - 1)]
            ids = torch.tensor([part], device=loaded.device)
            output = loaded.model(input_ids=ids, past_key_values=cache, use_cache=True)
            yield output.logits[0].float().cpu().numpy()


if __name__ == "__main__":
    serve(measure, DivergenceJob)
