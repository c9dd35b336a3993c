"""Whether any variant could still pass, once the base has answered: known before anything is built.

Only items that the base gets reliably right can prove anything. Where they are too few, the best variant
there could be (no break at all) would stay inconclusive.
"""

from collections.abc import Iterator, Sequence

from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.policy import Limits, Policy
from quantgate.pipelines.domain.verdicts.verdict import PairedItem, PairedStatistics
from quantgate.pipelines.gates.slices import able_to_pass
from quantgate.pipelines.gates.wording import in_ways, limit, percent_bound
from quantgate.pipelines.paired.exact import break_rate_bound, items_needed
from quantgate.pipelines.paired.pairing import pair_across_runtimes
from quantgate.pipelines.paired.statistics import counted_ways, statistics


def obstacles(suite: Suite, policy: Policy, reference_runs: Sequence[Run]) -> tuple[str, ...]:
    """Return why no variant can pass on what the base gets right, a sentence each; empty where one can.

    Raises:
        InputError: where the runs are not of this suite, or not repeats of one another.
    """
    items = pair_across_runtimes(
        suite=suite, reference_runs=reference_runs, other=reference_runs[0]
    )
    return tuple(_obstacles(suite, policy, items))


def fewest_reliable_items(limits: Limits) -> int:
    """Return how many items the base has to get reliably right for any variant to pass."""
    return items_needed(0, 0, max_break_rate=limits.max_break_rate, confidence=limits.confidence)


def _obstacles(suite: Suite, policy: Policy, items: Sequence[PairedItem]) -> Iterator[str]:
    whole = _obstacle("", items, policy.limits())
    if whole:
        yield whole
    for spec in suite.slices if policy.require_all_slices else ():
        inside = [item for item in items if spec.name in item.slices]
        obstacle = _obstacle(f"slice {spec.name}: ", inside, policy.slice_limits(spec.name))
        if obstacle:
            yield obstacle


def _obstacle(scope: str, items: Sequence[PairedItem], limits: Limits) -> str | None:
    counted = statistics(items, confidence=limits.confidence, max_break_rate=limits.max_break_rate)
    if able_to_pass(counted, limits):
        return None
    bound = break_rate_bound(0, counted.reliable, limits.confidence, _effective(counted))
    needed = items_needed(
        0,
        counted.reliable,
        max_break_rate=limits.max_break_rate,
        confidence=limits.confidence,
        effective=_effective(counted),
    )
    groups = (
        f", {counted.clusters.effective_reliable:.3g} independent ones" if counted.clusters else ""
    )
    wrong = in_ways(counted_ways([item.reference.grade for item in items]))
    more = f"{needed} more such {'item' if needed == 1 else 'items'}"
    return (
        f"{scope}the base gets {counted.reliable} of {counted.items} items reliably right{groups}"
        f"{f' (wrong: {wrong})' if wrong else ''}; "
        f"without any break that bounds the break rate at {percent_bound(bound)}, and the limit is "
        f"{limit(limits)}: {more} would make passing possible"
    )


def _effective(counted: PairedStatistics) -> float | None:
    return counted.effective_reliable if counted.clusters else None
