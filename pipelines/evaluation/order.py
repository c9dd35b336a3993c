"""In which order and pieces a run asks: likeliest to break first, where it may end early."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.evaluation.sampling import item_of, sample_of


def never(_so_far: Run) -> bool:
    """Let a run go on to its end."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyEnd:
    """What may end a run before all items are asked, looked at between portions; `first` come these items."""

    ended: Callable[[Run], bool] = never
    first: tuple[str, ...] = ()


NO_EARLY_END = EarlyEnd()


def reliable_margins(references: Sequence[Run]) -> dict[str, float]:
    """Return the margin of every item that all of the base's runs get right, where the first one told it.

    Runs are the primary one and its repeats, all of the same items; see `Answer.margin`.
    """
    reliable = (
        all(graded.grade.correct for graded in answers)
        for answers in zip(*(run.answers for run in references), strict=True)
    )
    return {
        graded.answer.item_id: graded.margin
        for graded, is_reliable in zip(references[0].answers, reliable, strict=True)
        if is_reliable and graded.margin is not None
    }


def likeliest_to_break(references: Sequence[Run]) -> tuple[str, ...]:
    """Return the items that can break by how closely the base decided its answers, the closest first.

    In which order items are asked changes no decision: see `pipelines.gates.early`.
    """
    margins = reliable_margins(references)
    return tuple(sorted(margins, key=margins.__getitem__))


def portions(
    prompts: Sequence[Prompt], count: int, first: Sequence[str] = ()
) -> list[Sequence[Prompt]]:
    """Return what each portion asks: its batches, and so its answers, depend on no other portion.

    Items that `first` names come in its order, before all others; an item's samples stay together.
    """
    places = {item_id: place for place, item_id in enumerate(first)}

    def place(prompt: Prompt) -> int:
        sample = sample_of(prompt.item_id)
        return places.get(sample, places.get(item_of(sample), len(places)))

    ordered = sorted(prompts, key=place)
    size = max(1, ceil(len(ordered) / count))
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]
