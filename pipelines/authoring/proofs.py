"""What each slice of a suite can prove under a policy, before anything is asked."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.domain.verdicts.policy import Limits, Policy
from quantgate.pipelines.gates.wording import percent, percent_bound, share
from quantgate.pipelines.paired.clusters import effective_items
from quantgate.pipelines.paired.exact import break_rate_bound, items_needed

WHOLE = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceProof:
    """What a slice can show if the reference gets all of its items reliably right.

    `groups` are its items' groups, one of none being a group by itself.
    `passing_breaks` is the most breaks with which it passes, -1 where it cannot pass at all; then
    `needed` more items, each in a group of its own, would let it. `limit` is that of its break rate, as
    people write it.
    """

    name: str
    items: int
    groups: int
    passing_breaks: int
    needed: int
    limit: str
    text: str

    @property
    def size(self) -> str:
        """How many items there are, and in how many groups where some share one: `60 in 12 groups`."""
        return (
            str(self.items)
            if self.groups == self.items
            else f"{self.items} in {self.groups} groups"
        )

    @property
    def can_pass(self) -> bool:
        """Whether there are items enough."""
        return self.passing_breaks >= 0


def proofs(suite: Suite, policy: Policy) -> tuple[SliceProof, ...]:
    """Return what the whole suite and then each slice can prove."""
    whole = _proof(WHOLE, suite.items, policy.limits())
    parts = [
        _proof(
            slice_spec.name,
            [item for item in suite.items if slice_spec.name in item.slices],
            policy.slice_limits(slice_spec.name, critical=slice_spec.critical),
        )
        for slice_spec in suite.slices
    ]
    return (whole, *parts)


def _proof(name: str, items: Sequence[Item], limits: Limits) -> SliceProof:
    count = len(items)
    groups = [(item.group is not None, item.group or item.id) for item in items]
    effective = effective_items(groups) if len(set(groups)) < count else None
    passing = _most_passing(count, limits, effective)
    needed = items_needed(
        0,
        count,
        max_break_rate=limits.max_break_rate,
        confidence=limits.confidence,
        effective=effective,
    )
    bound = break_rate_bound(max(0, passing), count, limits.confidence, effective)
    counted = f"{name}: {count} {'item' if count == 1 else 'items'}"
    if effective is not None:
        counted += f" in {len(set(groups))} groups"
    return SliceProof(
        name=name,
        items=count,
        groups=len(set(groups)),
        passing_breaks=passing,
        needed=needed,
        limit=share(limits.max_break_rate),
        text=f"{counted}; {_verdict(passing, _items(needed, effective), bound, limits)}",
    )


def _items(needed: int, effective: float | None) -> str:
    if effective is None:
        return str(needed)
    return f"{needed}, each of another group," if needed > 1 else f"{needed} of another group"


def _verdict(passing: int, needed: str, bound: float, limits: Limits) -> str:
    allowed = percent_bound(bound)
    if passing < 0:
        still = percent(bound)
        return (
            f"no break at all would still allow {still}: unproven; add {needed} to be able to pass"
        )
    if limits.critical:
        return f"critical: no break passes and allows {allowed}, a single one fails"
    breaks = "only without a break" if passing == 0 else f"with at most {passing} broken"
    return f"passes {breaks} ({allowed} allowed, limit {share(limits.max_break_rate)})"


def _most_passing(items: int, limits: Limits, effective: float | None) -> int:
    """The most breaks whose bound is within the limit, -1 where not even none is; the bound grows with them.

    Groups count as they do in a verdict: `effective` independent items stand for all of them.
    """

    def passes(breaks: int) -> bool:
        return (
            break_rate_bound(breaks, items, limits.confidence, effective) <= limits.max_break_rate
        )

    return bisect_left(range(items + 1), True, key=lambda breaks: not passes(breaks)) - 1
