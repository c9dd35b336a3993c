"""From a planned build to a search over it: what may be tried, its order and its share of the error."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.resources.needs import answering_memory
from quantgate.flows.build.searching.metering import require_meters
from quantgate.flows.build.searching.mixes import MixPlanner, mix_planner
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.search import Search, SearchCandidate, SearchGoal
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.engines.expected import expected_size
from quantgate.pipelines.variants.variant import PlannedVariant


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What is to be as small as possible, and what it may come to at most."""

    goal: SearchGoal
    budget_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rung:
    candidate: SearchCandidate
    variant: PlannedVariant


def search_plan(build: LocalBuild, request: SearchRequest) -> BuildPlan:
    """Return the plan of everything that a search may try: the build's recipes, and mixes between them.

    Recipes above the budget are named and left out.

    Raises:
        InputError: where there is no recipe, or none within the budget; the policy asks variants again; or
            speed is searched for, and nothing here times one of the recipes.
    """
    plan, tools = build.plan, build.tools
    _require_one_run(plan.policy)
    by_speed = request.goal == "speed"
    if by_speed:
        require_meters(build)
    ladder = sorted(
        (_rung(build, variant) for variant in plan.variants),
        key=lambda rung: (-rung.candidate.cost_bytes(request.goal), rung.variant.identifier),
    )
    within = [rung for rung in ladder if _affordable(rung, request)]
    if not within:
        raise _nothing_within(ladder, request)
    planner = None if by_speed else mix_planner(plan, tools)
    taken = {variant.identifier for variant in plan.variants}
    sequences: list[tuple[_Rung, ...]] = []
    for rung, cheaper in zip(within, [*within[1:], None], strict=True):
        mixes = _mixes(build, planner, rung, cheaper, request.goal) if planner else ()
        fresh = tuple(mix for mix in mixes if mix.variant.identifier not in taken)
        taken.update(mix.variant.identifier for mix in fresh)
        sequences.append((rung, *fresh))
    search = Search(
        goal=request.goal,
        sequences=tuple(tuple(rung.candidate for rung in each) for each in sequences),
        budget_bytes=request.budget_bytes,
        beyond_budget=tuple(rung.candidate for rung in ladder if not _affordable(rung, request)),
    )
    return replace(
        plan,
        variants=tuple(rung.variant for each in sequences for rung in each),
        policy=shared_policy(plan.policy, len(sequences)),
        search=search,
        speed=plan.speed or by_speed,
    )


def _require_one_run(policy: Policy) -> None:
    if policy.variant_runs > 1:
        raise InputError(
            f"a search ends a variant's run as soon as it is settled, and the policy asks for "
            f"{policy.variant_runs} runs of each (variant_runs)",
            where="policy",
            next_step="search with variant_runs: 1, then judge what it found with more",
        )


def shared_policy(policy: Policy, sequences: int) -> Policy:
    """Return the policy of a search: runs end early, and its error is split over the sequences.

    That takes the place of Holm's adjustment, which does not hold for what is chosen by looking at answers.
    """
    return replace(policy, family_wise="none", early_stopping=True, error_shares=sequences)


def _rung(build: LocalBuild, variant: PlannedVariant) -> _Rung:
    recipe = variant.recipe
    memory = answering_memory(build, recipe.runtime, recipe)
    candidate = SearchCandidate(
        identifier=variant.identifier,
        size_bytes=expected_size(build.plan.checkpoint, recipe).size_bytes,
        memory_bytes=memory.size_bytes,
    )
    return _Rung(candidate=candidate, variant=variant)


def _mixes(
    build: LocalBuild,
    planner: MixPlanner,
    rung: _Rung,
    cheaper: _Rung | None,
    goal: SearchGoal,
) -> Iterator[_Rung]:
    """Yield mixes that cost less than a recipe, and more than the next."""
    least = cheaper.candidate.cost_bytes(goal) if cheaper else 0
    lower = cheaper.candidate.size_bytes if cheaper else None
    for variant in planner.between(rung.candidate.size_bytes, lower):
        mix = _rung(build, variant)
        if least < mix.candidate.cost_bytes(goal) < rung.candidate.cost_bytes(goal):
            yield mix


def _affordable(rung: _Rung, request: SearchRequest) -> bool:
    budget = request.budget_bytes
    return budget is None or rung.candidate.cost_bytes(request.goal) <= budget


def _nothing_within(ladder: Sequence[_Rung], request: SearchRequest) -> InputError:
    if not ladder:
        return InputError(
            "a search needs recipes to search among",
            where="--search",
            next_step="name some with --recipes, or leave `recipes: []` out of the build file",
        )
    least = ladder[-1].candidate
    return InputError(
        "no recipe of this build is within the budget",
        where="--budget",
        next_step=f"the least is {least.identifier} with "
        f"{least.cost_bytes(request.goal) / 1e9:.3g} GB; name smaller recipes with --recipes",
    )
