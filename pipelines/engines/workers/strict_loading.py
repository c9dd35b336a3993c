"""What transformers has to say of a folder that it loaded, and what of it is refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quantgate.pipelines.domain.errors import CheckpointError

REFUSED = ("missing_keys", "mismatched_keys", "error_msgs")
"""Kinds that transformers fills with random numbers, or could not read."""


def require_clean(
    folder: Path, loading: Mapping[str, Any], refused: tuple[str, ...] = REFUSED
) -> None:
    """Refuse what transformers would have filled with random numbers, or could not read.

    Raises:
        CheckpointError: naming the first three tensors of the first kind that is refused.
    """
    for kind in refused:
        if loading.get(kind):
            named = ", ".join(str(key) for key in sorted(loading[kind], key=str)[:3])
            raise CheckpointError(
                f"does not load cleanly: {len(loading[kind])} {kind.replace('_', ' ')} ({named})",
                where=str(folder),
            )
