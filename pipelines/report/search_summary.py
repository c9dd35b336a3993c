"""What a search found and what it did not have to evaluate."""

from dataclasses import dataclass

from quantgate.pipelines.domain.search import Search, SearchCandidate
from quantgate.pipelines.gates.searching import best_candidate
from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.summary import decision_word

BEYOND_BUDGET = "is above the budget"
NOT_NEEDED = "was not needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A candidate that was built and judged; `asked` counts the items it was asked.

    `speed_ratio` is its tokens a second over its base's, None where it was not timed.
    """

    identifier: str
    size_bytes: int
    memory_bytes: int
    decision: str
    asked: int
    speed_ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Untried:
    """A candidate that was not, and why; sizes are foretold."""

    identifier: str
    size_bytes: int
    memory_bytes: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSummary:
    """One search. `evaluations` counts items that variants were asked, `exhaustive_evaluations` those that
    asking every recipe of the build would have taken, without a mix.

    `confidence` is that of all sequences together, `confidence_each` that of one. `best` passed and costs
    least; None where nothing passed.
    """

    goal: str
    budget_bytes: int | None
    best: str | None
    sequences: int
    confidence: float
    confidence_each: float
    evaluations: int
    exhaustive_evaluations: int
    tried: tuple[Tried, ...]
    untried: tuple[Untried, ...]


def search_summary(report: BuildReport) -> SearchSummary | None:
    """Return what became of a build's search; None where it was none."""
    search = report.search
    if search is None:
        return None
    tried = _tried(report, search)
    passed = {variant.identifier: variant.passed for variant in report.variants}
    best = best_candidate(search, passed)
    recipes = len(search.sequences) + len(search.beyond_budget)
    return SearchSummary(
        goal=search.goal,
        budget_bytes=search.budget_bytes,
        best=best.identifier if best else None,
        sequences=len(search.sequences),
        confidence=report.policy.confidence,
        confidence_each=report.policy.whole_confidence,
        evaluations=sum(each.asked for each in tried),
        exhaustive_evaluations=recipes * len(report.suite.items),
        tried=tried,
        untried=(
            *(_untried(c, NOT_NEEDED) for c in search.candidates if c.identifier not in passed),
            *(_untried(c, BEYOND_BUDGET) for c in search.beyond_budget),
        ),
    )


def _tried(report: BuildReport, search: Search) -> tuple[Tried, ...]:
    variants = {variant.identifier: variant for variant in report.variants}
    return tuple(
        Tried(
            identifier=candidate.identifier,
            size_bytes=variant.variant.size_bytes if variant.variant else candidate.size_bytes,
            memory_bytes=candidate.memory_bytes,
            decision=decision_word(variant),
            asked=len(variant.verdict.items) if variant.verdict else 0,
            speed_ratio=_speed_ratio(variant),
        )
        for candidate in search.candidates
        if (variant := variants.get(candidate.identifier)) is not None
    )


def _speed_ratio(variant: VariantReport) -> float | None:
    figure = variant.speed.figure("generated_tokens_per_second") if variant.speed else None
    return figure.ratio.median if figure else None


def _untried(candidate: SearchCandidate, why: str) -> Untried:
    return Untried(
        identifier=candidate.identifier,
        size_bytes=candidate.size_bytes,
        memory_bytes=candidate.memory_bytes,
        why=why,
    )
