"""How far the base, as a runtime computes it, is from the checkpoint itself."""

from dataclasses import dataclass
from typing import Literal

ComputeDtype = Literal["float32", "bfloat16"]
"""What the checkpoint itself was computed in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Compared positions that follow each other in one passage, `first` and `last` included.

    `mean_kl` is their mean Kullback-Leibler divergence KL(checkpoint || runtime) in nats a token, without the
    worst of them where there are 32 (`pipelines/audit/base_divergence.py` says why).
    """

    first: int
    last: int
    mean_kl: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionKl:
    """A compared position, counted from 0, and KL(checkpoint || runtime) there, in nats."""

    position: int
    kl: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """The most that rounding explains, in nats a token: in the mean of all positions, and of any stretch."""

    mean_kl: float
    stretch_kl: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseDivergence:
    """A runtime's next-token distributions held against the checkpoint's own, over `positions` positions.

    `mean_kl` is in nats a token, without the worst position of every full stretch. `outliers` are those of
    them that alone are further off than any stretch may be, where their stretch is not. `top1_agreement` is
    the share of all positions at which both find the same token likeliest. `stretches` are in passage order,
    never empty. `begins` is the first position, counted from 0 and no outlier, that alone is further off
    than any stretch may be; None where none is. `compute_dtype` is that of the checkpoint's own computation,
    in transformers. `likeliest` is how many of the runtime's likeliest tokens were told at each position, the
    rest counted as one; None where all were. `unreached` names settings that change something only at
    positions beyond `longest_tokens`.
    """

    mean_kl: float
    top1_agreement: float
    positions: int
    longest_tokens: int
    stretches: tuple[Stretch, ...]
    begins: int | None
    rounding: Rounding
    compute_dtype: ComputeDtype
    likeliest: int | None = None
    unreached: tuple[str, ...] = ()
    outliers: tuple[PositionKl, ...] = ()

    @property
    def worst(self) -> Stretch:
        """The stretch that differs most: a window shows in none but the last ones."""
        return max(self.stretches, key=lambda stretch: stretch.mean_kl)

    @property
    def is_rounding(self) -> bool:
        """Whether the runtime computes the checkpoint, as far as was measured."""
        within = self.mean_kl <= self.rounding.mean_kl
        return within and self.worst.mean_kl <= self.rounding.stretch_kl


@dataclass(frozen=True, slots=True, kw_only=True)
class DivergenceCause:
    """Why a base differs from its checkpoint, as found by leaving settings out of the checkpoint itself.

    `setting` is what the runtime leaves out: without it `left_kl` nats a token are left in the mean, which
    rounding explains. Both are None where none of those `looked_at` is the cause; without those that are
    `untried` the checkpoint could not be computed. `suspected` were not tried at all.
    """

    setting: str | None = None
    left_kl: float | None = None
    looked_at: tuple[str, ...] = ()
    untried: tuple[str, ...] = ()
    suspected: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.setting is not None and self.left_kl is not None:
            return f"caused by {self.setting} (mean KL {self.left_kl:.1g} with a checkpoint without it)"
        if self.suspected:
            return f"likely {' or '.join(self.suspected)}"
        untried = f"; could not be tried without: {', '.join(self.untried)}" if self.untried else ""
        if not self.looked_at:
            return f"cause unknown; nothing unusual was found in the configuration{untried}"
        return f"cause unknown; looked at {', '.join(self.looked_at)}{untried}"
