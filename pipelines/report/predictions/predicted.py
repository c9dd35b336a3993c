"""A prediction put together: chances of all items, the likeliest to break first."""

from collections.abc import Mapping
from dataclasses import dataclass

from quantgate.pipelines.domain.prediction import ItemChance, Prediction
from quantgate.pipelines.report.predictions.breaking import PRIOR, BreakModel
from quantgate.pipelines.report.predictions.divergence import ExpectedDivergence


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A model, and on how many answers of how many earlier builds it was fitted: on none it is the prior."""

    model: BreakModel = PRIOR
    answers: int = 0
    builds: int = 0


def predicted(
    margins: Mapping[str, float], expected: ExpectedDivergence, learned: Learned
) -> Prediction:
    """Return what is said of a variant of this divergence, given the base's margins by item."""
    chances = learned.model.chances(list(margins.values()), expected.divergence)
    items = [
        ItemChance(item_id=item_id, margin=margin, chance=round(chance, 6))
        for (item_id, margin), chance in zip(margins.items(), chances, strict=True)
    ]
    return Prediction(
        divergence=expected.divergence,
        divergence_from=expected.taken_from,
        answers=learned.answers,
        builds=learned.builds,
        items=tuple(sorted(items, key=lambda item: -item.chance)),
    )
