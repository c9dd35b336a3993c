"""What is derived from a checkpoint's shapes is derived once: a plan asks for it tens of times."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar, TypeVarTuple

from quantgate.pipelines.domain.checkpoint import Checkpoint

_KEPT = 128
"""Results of one function: those of every recipe of a build, and of some checkpoints in one process."""

_Arguments = TypeVarTuple("_Arguments")
_R = TypeVar("_R")


class _Same:
    """A checkpoint as a key: itself and no equal one, as comparing two means comparing all their tensors."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    def __hash__(self) -> int:
        return id(self.checkpoint)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.checkpoint is self.checkpoint


def once_per_checkpoint(
    derive: Callable[[Checkpoint, *_Arguments], _R],
) -> Callable[[Checkpoint, *_Arguments], _R]:
    """Let a function of a checkpoint and of hashable arguments run once for each of them.

    A checkpoint and its folder do not change while a process works with them.
    """

    @lru_cache(maxsize=_KEPT)
    def kept(same: _Same, *arguments: *_Arguments) -> _R:
        return derive(same.checkpoint, *arguments)

    @wraps(derive)
    def asked(checkpoint: Checkpoint, *arguments: *_Arguments) -> _R:
        return kept(_Same(checkpoint), *arguments)

    return asked
