"""Llama checkpoints with random weights as a build accepts them, in the sizes that benchmarks use."""

from quantgate.flows.settings import Settings
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.files.store import Store
from tests.support.models.random_llama import Shape, write_random_llama

LARGE = Shape(hidden=1536, feed_forward=4096, layers=11)
"""277 million weights, 0.56 GB in bfloat16."""
MIDDLE = Shape(hidden=768, feed_forward=2048, layers=15)
"""96 million weights, 0.19 GB in F16."""
SMALL = Shape(hidden=768, feed_forward=2048, layers=6)
"""41 million weights."""


def random_llama(shape: Shape, store: Store) -> Checkpoint:
    """Write a checkpoint into the store's folder and return it as a build would accept it."""
    folder = store.root / f"random-llama-{shape.layers}x{shape.hidden}"
    write_random_llama(folder, shape)
    settings = Settings.from_environment()
    return resolve_checkpoint(str(folder), name="random", store=store, hub=settings.hub)
