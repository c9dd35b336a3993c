"""A mixture of candidates by quotas: each criterion fills its share, and no two items are nearly the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from quantgate.pipelines.authoring.candidates import SuiteCandidate
from quantgate.pipelines.authoring.duplicates import likeness, shingles
from quantgate.pipelines.authoring.signals import Ranking
from quantgate.pipelines.language.words import normalized

_TOO_ALIKE = 0.5
_OUTSTANDING = 0.1
"""An item is also in the slice of every other criterion by which it is in the first tenth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A proposed item: its slices, the one it was chosen for first, and the reason for each."""

    candidate: SuiteCandidate
    slices: tuple[str, ...]
    why: tuple[str, ...]


def choose(
    candidates: Sequence[SuiteCandidate], rankings: Sequence[Ranking], take: int
) -> tuple[Chosen, ...]:
    """Return `take` candidates (all, where there are fewer), criterion after criterion.

    Near-duplicates of what is chosen already are passed over as long as others are left.
    """
    selection = _Selection(candidates)
    for ranking, quota in zip(rankings, _quotas(rankings, take), strict=True):
        selection.fill(ranking, quota, alike=_TOO_ALIKE)
    for alike in (_TOO_ALIKE, 1.1):
        for ranking in rankings:
            selection.fill(ranking, take - len(selection.reasons), alike=alike)
    places = [{index: place for place, index in enumerate(ranking.order)} for ranking in rankings]
    return tuple(
        _chosen(candidates, rankings, places, index, first)
        for index, first in selection.reasons.items()
    )


def _quotas(rankings: Sequence[Ranking], take: int) -> list[int]:
    """Whole numbers that sum to `take`: shares rounded down, what is left to the first criterion."""
    quotas = [int(take * ranking.share) for ranking in rankings]
    quotas[0] += take - sum(quotas)
    return quotas


class _Selection:
    """Chosen candidates by index, with the criterion that each was chosen by."""

    def __init__(self, candidates: Sequence[SuiteCandidate]) -> None:
        self._candidates = candidates
        self._runs: list[frozenset[str]] = []
        self.reasons: dict[int, Ranking] = {}

    def fill(self, ranking: Ranking, count: int, *, alike: float) -> None:
        """Add up to `count` of the first candidates that are not selected and not too alike."""
        for index in ranking.order:
            if count <= 0:
                return
            if index in self.reasons:
                continue
            runs = shingles(normalized(self._candidates[index].question))
            if any(likeness(runs, other) >= alike for other in self._runs):
                continue
            self._runs.append(runs)
            self.reasons[index] = ranking
            count -= 1


def _chosen(
    candidates: Sequence[SuiteCandidate],
    rankings: Sequence[Ranking],
    places: Sequence[dict[int, int]],
    index: int,
    first: Ranking,
) -> Chosen:
    limit = _OUTSTANDING * len(candidates)
    others = [
        ranking
        for ranking, place in zip(rankings, places, strict=True)
        if ranking is not first and place.get(index, len(candidates)) < limit
    ]
    reasons = (first, *others)
    return Chosen(
        candidate=candidates[index],
        slices=tuple(ranking.slice for ranking in reasons),
        why=tuple(ranking.why[index] for ranking in reasons),
    )
