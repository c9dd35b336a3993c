"""How far a search is: what became of what it tried, read from what is sealed, and what it tries next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from quantgate.flows.build.bases import sealed_base
from quantgate.flows.build.errors import errors_of, read_errors
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.references import sealed_references
from quantgate.flows.build.results.unit_error import REGISTER
from quantgate.flows.build.searching.metering import could_not_be_timed, measured_speed
from quantgate.flows.build.units import sealed_audit, sealed_run
from quantgate.flows.build.verdicts import evidence
from quantgate.pipelines.domain.search import Search, SearchCandidate
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.files.sealed_values import Missing
from quantgate.pipelines.gates.searching import fastest_candidate, next_candidate
from quantgate.pipelines.variants.variant import PlannedVariant


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProgress:
    """How far a search is: what passed, in the order of trying, and what comes next, if anything.

    `to_time`: what comes next is timed, and not asked yet.
    """

    passed: Mapping[str, bool]
    upcoming: PlannedVariant | None
    to_time: bool = False


def progress(build: LocalBuild) -> SearchProgress:
    """Return how far the search of a plan is, from what is sealed.

    Raises:
        InputError: where a sealed file was altered.
        ValueError: where the plan is no search's.
    """
    search = build.plan.search
    if search is None:
        raise ValueError(f"{build.plan.name} is no search")
    if search.goal == "speed":
        return _by_speed(build, search)
    return _tried(build, partial(next_candidate, search))


def _by_speed(build: LocalBuild, search: Search) -> SearchProgress:
    """All that was built is timed before the first is asked; what fails to be is out of the race."""
    speeds: dict[str, float] = {}
    for candidate in search.candidates:
        planned = build.plan.variant(candidate.identifier)
        speed = measured_speed(build, planned)
        if speed is not None:
            speeds[candidate.identifier] = speed
        elif not could_not_be_timed(build, planned) and _outcome(build, planned) is not False:
            return SearchProgress(passed={}, upcoming=planned, to_time=True)
    return _tried(build, lambda passed: fastest_candidate(search, passed, speeds))


def _tried(
    build: LocalBuild, upcoming: Callable[[Mapping[str, bool]], SearchCandidate | None]
) -> SearchProgress:
    passed: dict[str, bool] = {}
    while (candidate := upcoming(passed)) is not None:
        planned = build.plan.variant(candidate.identifier)
        outcome = _outcome(build, planned)
        if outcome is None:
            return SearchProgress(passed=passed, upcoming=planned)
        passed[candidate.identifier] = outcome
    return SearchProgress(passed=passed, upcoming=None)


def tried_plan(plan: BuildPlan, tried: SearchProgress) -> BuildPlan:
    """Return the plan of what a search tried: a build like any other, which is judged alike."""
    return replace(plan, variants=tuple(v for v in plan.variants if v.identifier in tried.passed))


def _outcome(build: LocalBuild, planned: PlannedVariant) -> bool | None:
    errors = errors_of(build.plan, planned, read_errors(build.plan, build.settings))
    if any(error.step != REGISTER for error in errors):
        return False
    if not _is_judgeable(build, planned):
        return None
    return evidence(build, planned).verdict.decision is Decision.PASS


def _is_judgeable(build: LocalBuild, planned: PlannedVariant) -> bool:
    """Whether all is sealed that a verdict needs."""
    runtime = planned.recipe.runtime
    if not planned.built(build.settings.store):
        return False
    if isinstance(sealed_base(build, runtime), Missing):
        return False
    if isinstance(sealed_references(build, runtime), Missing):
        return False
    audit = sealed_audit(build, planned)
    if isinstance(audit, Missing):
        return False
    return not audit.value.passed or not isinstance(sealed_run(build, planned), Missing)
