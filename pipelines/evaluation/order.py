"""In which order and pieces a run asks: likeliest to break first, where it may end early."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, inf

from quantgate.pipelines.domain.run import GradedAnswer, Run
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


def likeliest_to_break(references: Sequence[Run]) -> tuple[str, ...]:
    """Return the base's items by how closely it decided its answers, those that cannot break last.

    What the base does not get reliably right cannot break. Items without a margin keep their order, behind
    those with one. Which order it is changes no decision: see `pipelines.gates.early`.
    """
    reliable = [all(graded.grade.correct for graded in each) for each in _by_item(references)]
    margins = [graded.margin for graded in references[0].answers]
    ids = [graded.answer.item_id for graded in references[0].answers]

    def rank(at: int) -> tuple[bool, float]:
        margin = margins[at]
        return not reliable[at], inf if margin is None else margin

    return tuple(ids[at] for at in sorted(range(len(ids)), key=rank))


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


def _by_item(references: Sequence[Run]) -> list[tuple[GradedAnswer, ...]]:
    return list(zip(*(run.answers for run in references), strict=True))
