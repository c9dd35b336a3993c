"""One build of a recipe as a process of its own, so that a test can bind what it may take.

`python -m tests.support.builds.lone_build CHECKPOINT STORE RECIPE RESIDENT_BYTES` makes the variant in STORE.
"""

import sys
from dataclasses import replace
from pathlib import Path

from quantgate.flows.settings import Settings
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.recipe import Calibration
from quantgate.pipelines.domain.variant import Variant
from quantgate.pipelines.engines.backend import Backend
from quantgate.pipelines.engines.llmcompressor.backend import LlmCompressorBackend
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.variants.variant import PlannedVariant, build_request, build_variant
from tests.benchmarks.measuring.building import llamacpp, windows

THREADS, ROWS, ROW_TOKENS = 1, 4, 256
_BACKENDS = {"llamacpp": llamacpp, "llmcompressor": LlmCompressorBackend}


def build_alone(
    folder: str,
    store: Store,
    name: str,
    resident_bytes: int,
    on_progress: OnProgress = ignore_progress,
) -> Variant:
    """Build a recipe; llm-compressor may keep so much of the weights in memory."""
    checkpoint = resolve_checkpoint(
        folder, name="random", store=store, hub=Settings.from_environment().hub
    )
    (recipe,) = find_recipes((name,), Path())
    backend: Backend = _BACKENDS[recipe.options.backend]()
    calibration = None
    if recipe.calibration is not Calibration.NONE:
        calibration = windows(checkpoint, ROWS, ROW_TOKENS, store.root)
    planned = PlannedVariant(
        identifier=f"random--{name}",
        recipe=recipe,
        base=checkpoint.digests,
        corpus_label=calibration.corpus_label if calibration else None,
        corpus_digest=calibration.corpus_digest if calibration else None,
        toolchain=backend.toolchain(THREADS),
    )
    request = build_request(planned, checkpoint, calibration, store)
    return build_variant(
        planned,
        replace(request, resident_bytes=resident_bytes),
        backend,
        run_worker,
        on_progress,
    )


if __name__ == "__main__":
    folder, store, name, resident = sys.argv[1:]
    root = Path(store)
    root.mkdir(parents=True, exist_ok=True)
    variant = build_alone(folder, Store(root=root), name, int(resident))
    assert all(tensor.quantized for tensor in variant.facts.tensors if "proj" in tensor.name)
