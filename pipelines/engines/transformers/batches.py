"""How prompts are laid into batches: a pure function of the schedule, so that a schedule repeats exactly."""

from collections.abc import Sequence

_WINDOW_BATCHES = 8
# Padding is computed like tokens. This much of it is cheaper than another batch.
_LITTLE_PADDING_TOKENS = 64


def batches(lengths: Sequence[int], slots: int) -> tuple[tuple[int, ...], ...]:
    """Return batches of prompt indexes, at most `slots` each, every index once.

    Prompts of like length share a batch (less padding), but only within a window of eight batches of
    the given order: another order is another set of batches, which is what repeated reference runs vary.
    Within a batch the longest prompt comes first; ties keep their order. A batch ends before a prompt that
    is less than half as long as its longest, and at least 64 tokens shorter.
    """
    window = slots * _WINDOW_BATCHES
    laid: list[tuple[int, ...]] = []
    for begin in range(0, len(lengths), window):
        indexes = range(begin, min(begin + window, len(lengths)))
        ordered = sorted(indexes, key=lambda index: -lengths[index])
        batch: list[int] = []
        for index in ordered:
            if batch and (len(batch) == slots or _unlike(lengths[batch[0]], lengths[index])):
                laid.append(tuple(batch))
                batch = []
            batch.append(index)
        laid.append(tuple(batch))
    return tuple(laid)


def _unlike(longest: int, length: int) -> bool:
    return length < longest / 2 and longest - length >= _LITTLE_PADDING_TOKENS
