"""How far a recipe will drift from its base, before it is built: as it did earlier, or by its bits."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import median

from quantgate.pipelines.report.predictions.breaking import LEAST_DIVERGENCE

_NATS_AT_FOUR_BITS = 0.03
"""What the bundled example showed of its five GGUF variants: the middle one, brought to four bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDivergence:
    """What one earlier variant's audit measured: mean KL in nats a token, at so many bits a weight."""

    recipe: str
    base_digest: str
    bits_per_weight: float
    divergence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedDivergence:
    """Nats a token, and of what that was taken."""

    divergence: float
    taken_from: str


def expected_divergence(
    seen: Sequence[SeenDivergence], *, recipe: str, base_digest: str, bits_per_weight: float
) -> ExpectedDivergence:
    """Return the divergence of a recipe: of this base earlier, else of others, else by bits.

    By bits the logarithm falls by ln 4 a bit, through what other recipes showed of this base, or of any, and
    else through what the bundled example showed.
    """
    same_base = [each for each in seen if each.base_digest == base_digest]
    for among, whose in ((same_base, "of this base"), (seen, "of other bases")):
        same_recipe = [each.divergence for each in among if each.recipe == recipe]
        if same_recipe:
            count = f"{len(same_recipe)} earlier {'build' if len(same_recipe) == 1 else 'builds'}"
            return ExpectedDivergence(
                divergence=median(same_recipe), taken_from=f"{recipe} in {count} {whose}"
            )
    for among, whose in ((same_base, "of this base"), (seen, "of other bases")):
        if among:
            height = median(
                log(max(each.divergence, LEAST_DIVERGENCE)) + _fall(each.bits_per_weight)
                for each in among
            )
            return ExpectedDivergence(
                divergence=exp(height - _fall(bits_per_weight)),
                taken_from=f"{bits_per_weight:.2f} bits beside other recipes {whose}",
            )
    height = log(_NATS_AT_FOUR_BITS) + _fall(4.0)
    return ExpectedDivergence(
        divergence=exp(height - _fall(bits_per_weight)),
        taken_from=f"{bits_per_weight:.2f} bits beside the bundled example",
    )


def _fall(bits_per_weight: float) -> float:
    """An error of rounding has a quarter of its variance, and so of its divergence, with each bit more."""
    return log(4.0) * bits_per_weight
