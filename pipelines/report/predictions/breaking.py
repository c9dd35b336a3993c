"""How likely an item is to break: a logistic model of the base's margin and the variant's divergence.

A low-bit model's logits are the base's with an error whose size grows with the root of the KL divergence
between the two (to second order KL is half the variance of that error under the base's distribution). An
answer changes where the error exceeds the margin of a decision. So the model is
`logit p = intercept + slope ln(margin) + weight ln(KL)`: three numbers, fitted as the most probable ones
given what earlier builds showed and a normal prior around what the bundled example showed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

_Vector = NDArray[numpy.float64]

LEAST_MARGIN = 0.01
"""Nats. Nearer to a tie than that, who shares a batch decides as much as the weights do."""
LEAST_DIVERGENCE = 1e-6
"""Nats a token: about what rounding alone does to one model in one runtime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAnswer:
    """One answer of an earlier variant to an item that the base gets reliably right."""

    margin: float
    divergence: float
    broke: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakModel:
    """The chance that an item breaks, by its margin (nats) and the variant's divergence (nats a token)."""

    intercept: float
    slope: float
    weight: float

    def chances(self, margins: Sequence[float], divergence: float) -> tuple[float, ...]:
        """Return the probability of each item of these margins to break in one variant."""
        from scipy.special import expit

        features = _features(margins, [divergence] * len(margins))
        parameters = numpy.array([self.intercept, self.slope, self.weight])
        return tuple(float(chance) for chance in expit(features @ parameters))


PRIOR = BreakModel(intercept=1.9, slope=-1.4, weight=1.3)
"""What the bundled example showed: 47 breaks in 3,656 answers of eight variants; see docs/search.md."""
_PRIOR_SPREAD = (2.0, 0.5, 0.5)
"""Standard deviations of the prior: wide, for another model and another task are other worlds."""


def fitted(seen: Sequence[SeenAnswer]) -> BreakModel:
    """Return the most probable model given these answers and the prior; without any it is the prior."""
    if not seen:
        return PRIOR
    from scipy.optimize import minimize
    from scipy.special import expit

    features = _features([each.margin for each in seen], [each.divergence for each in seen])
    broke = numpy.array([each.broke for each in seen], dtype=numpy.float64)
    centre = numpy.array([PRIOR.intercept, PRIOR.slope, PRIOR.weight])
    spread = numpy.array(_PRIOR_SPREAD)

    def loss(parameters: _Vector) -> tuple[float, _Vector]:
        """Negative log of the posterior, and its gradient."""
        logits = features @ parameters
        away = (parameters - centre) / spread
        value = numpy.logaddexp(0.0, logits).sum() - broke @ logits + 0.5 * away @ away
        return float(value), features.T @ (expit(logits) - broke) + away / spread

    best = minimize(loss, centre, jac=True, method="L-BFGS-B").x
    return BreakModel(intercept=float(best[0]), slope=float(best[1]), weight=float(best[2]))


def _features(margins: Sequence[float], divergences: Sequence[float]) -> _Vector:
    return numpy.column_stack(
        [
            numpy.ones(len(margins)),
            numpy.log(numpy.maximum(margins, LEAST_MARGIN)),
            numpy.log(numpy.maximum(divergences, LEAST_DIVERGENCE)),
        ]
    )
