"""How prompts are laid into batches: a pure function of the schedule, so that a schedule repeats exactly."""

from collections.abc import Sequence

_WINDOW_BATCHES = 8


def batches(lengths: Sequence[int], slots: int) -> tuple[tuple[int, ...], ...]:
    """Return batches of prompt indexes, at most `slots` each, every index once.

    Prompts of like length share a batch (less padding), but only within a window of eight batches of
    the given order: another order is another set of batches, which is what repeated reference runs vary.
    Within a batch the longest prompt comes first; ties keep their order.
    """
    window = slots * _WINDOW_BATCHES
    laid: list[tuple[int, ...]] = []
    for begin in range(0, len(lengths), window):
        indexes = range(begin, min(begin + window, len(lengths)))
        ordered = sorted(indexes, key=lambda index: -lengths[index])
        laid += [tuple(ordered[at : at + slots]) for at in range(0, len(ordered), slots)]
    return tuple(laid)
