"""Predictions held against what broke: Brier score, hit rate, and how often what was called likely came."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from quantgate.pipelines.domain.prediction import Prediction

_EDGES = (0.03, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Where bins of chances begin and end: most items have small ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """A prediction and what came: whether each item that was asked broke."""

    prediction: Prediction
    broke: Mapping[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Items whose chances are alike: their mean chance, and how many of them broke."""

    items: int
    mean_chance: float
    broke: int

    @property
    def rate(self) -> float:
        """The share that broke."""
        return self.broke / self.items


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionScore:
    """How good predictions were, over `items` answers of which `broke` broke.

    `brier` is the mean squared distance between chance and outcome (Brier, 1950), `base_rate_brier` that of
    somebody who knew each variant's break rate, and not which items. Of the items that were called the
    likeliest of their variant, as many as broke there, `hits` broke; `hits_by_chance` would have, had they
    been drawn. `ranked` is the share of pairs of a broken and an unbroken item of a variant in which the
    broken one was called the likelier (the area under the ROC curve); 0.5 by chance, or where none is.
    """

    items: int
    broke: int
    expected: float
    brier: float
    base_rate_brier: float
    hits: int
    hits_by_chance: float
    ranked: float
    bins: tuple[ReliabilityBin, ...]

    @property
    def skill(self) -> float:
        """Which share of the base rate's Brier score is saved; 0 or less: no better than the base rate."""
        if not self.base_rate_brier:
            return 0.0 if not self.brier else -1.0
        return 1.0 - self.brier / self.base_rate_brier


def score(foretold: Sequence[Foretold]) -> PredictionScore | None:
    """Score all predictions of a build together; None where no item that they name was asked."""
    pairs: list[tuple[float, bool]] = []
    base_rate_loss, hits, hits_by_chance = 0.0, 0, 0.0
    paired, in_order = 0, 0.0
    for each in foretold:
        asked = [
            (item.chance, each.broke[item.item_id])
            for item in each.prediction.items
            if item.item_id in each.broke
        ]
        if not asked:
            continue
        broke = sum(came for _, came in asked)
        rate = broke / len(asked)
        likeliest = sorted(asked, key=lambda pair: -pair[0])[:broke]
        hits += sum(came for _, came in likeliest)
        hits_by_chance += broke * rate
        base_rate_loss += sum((rate - came) ** 2 for _, came in asked)
        paired += broke * (len(asked) - broke)
        in_order += _in_order(asked)
        pairs += asked
    if not pairs:
        return None
    return PredictionScore(
        items=len(pairs),
        broke=sum(came for _, came in pairs),
        expected=sum(chance for chance, _ in pairs),
        brier=sum((chance - came) ** 2 for chance, came in pairs) / len(pairs),
        base_rate_brier=base_rate_loss / len(pairs),
        hits=hits,
        hits_by_chance=hits_by_chance,
        ranked=in_order / paired if paired else 0.5,
        bins=_bins(pairs),
    )


def _in_order(asked: Sequence[tuple[float, bool]]) -> float:
    """Count pairs of a broken and an unbroken item in which the broken one was likelier; ties are half."""
    unbroken = sorted(chance for chance, came in asked if not came)
    broken = [chance for chance, came in asked if came]
    return sum((bisect_left(unbroken, c) + bisect_right(unbroken, c)) / 2 for c in broken)


def _bins(pairs: Sequence[tuple[float, bool]]) -> tuple[ReliabilityBin, ...]:
    edges = (0.0, *_EDGES, 1.0)
    bins: list[ReliabilityBin] = []
    for low, high in pairwise(edges):
        inside = [pair for pair in pairs if low <= pair[0] < high or pair[0] == high == 1.0]
        if inside:
            bins.append(
                ReliabilityBin(
                    items=len(inside),
                    mean_chance=sum(chance for chance, _ in inside) / len(inside),
                    broke=sum(came for _, came in inside),
                )
            )
    return tuple(bins)
