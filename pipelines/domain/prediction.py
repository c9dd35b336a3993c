"""Which items a variant will break, as it was said before the variant was asked."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChance:
    """An item that the base gets reliably right, and the probability that a variant breaks it.

    `margin` is the base's closest decision in its answer, in nats; see `Answer.margin`.
    """

    item_id: str
    margin: float
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What was said of one variant, the likeliest item to break first.

    `divergence` is the KL divergence from the base that was expected of it, in nats a token, and
    `divergence_from` says of what that was taken. The rest was fitted on `answers` answers of
    `builds` earlier builds in the store; with none, it is what the bundled example showed.
    """

    divergence: float
    divergence_from: str
    answers: int
    builds: int
    items: tuple[ItemChance, ...]
