"""A worker's side of placement: how many GPUs it computes on, as its parent says."""

import os

from quantgate.pipelines.domain.errors import ToolchainError

PLACED = "QUANTGATE_PLACED_GPUS"
"""The variable in which a worker is told; it sees no other GPUs."""


def placed_gpus() -> int:
    """Return, in a worker, how many GPUs it computes on; 0 is the CPU."""
    return int(os.environ.get(PLACED, "0"))


def require_gpus(engine: str, seen: int) -> None:
    """Refuse to compute on other devices than the parent chose.

    Raises:
        ToolchainError: where an engine sees more or fewer GPUs.
    """
    placed = placed_gpus()
    if seen != placed:
        raise ToolchainError(
            f"{engine} sees {seen} GPUs, and {placed} are to be used",
            next_step="see what `nvidia-smi` says, or compute on the CPU: QUANTGATE_DEVICE=cpu",
        )
