"""What is asked of, and replied by, workers that hold a runtime's base against the checkpoint itself.

The checkpoint's own logits are written once, into a sealed folder with one file, and read by whoever
compares: float32, a row for each position, in the order of passages and their positions.
"""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.verdicts.base_divergence import ComputeDtype

LOGITS_FILE = "logits.f32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Token ids, and at which of their positions next-token distributions are compared, in rising order."""

    token_ids: tuple[int, ...]
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointLogitsCall:
    """Compute a checkpoint folder's logits in transformers, as its configuration says, and write `output`.

    `changes` are settings of the language model's configuration to compute with instead, as JSON text of an
    object; "" for none.
    """

    checkpoint: Path
    passages: tuple[Passage, ...]
    compute_dtype: ComputeDtype
    output: Path
    changes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointLogits:
    """What stands in the manifest of a checkpoint's own logits."""

    vocabulary_size: int
    positions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionDivergences:
    """KL(checkpoint || runtime) in nats, and whether both find the same token likeliest, at each position.

    Logits that are not finite diverge infinitely. `likeliest`: see `BaseDivergence`. `asked` are the
    positions of each passage that were compared; None where all were.
    """

    kl: tuple[float, ...]
    agreed: tuple[bool, ...]
    likeliest: int | None = None
    asked: tuple[tuple[int, ...], ...] | None = None
