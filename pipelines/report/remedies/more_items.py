"""How many more items would settle what is open, computed as verdicts are."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from types import MappingProxyType

from quantgate.pipelines.domain.verdicts.policy import Limits, Policy
from quantgate.pipelines.domain.verdicts.verdict import (
    Decision,
    PairedStatistics,
    SliceVerdict,
    Verdict,
)
from quantgate.pipelines.gates.family import family_confidence
from quantgate.pipelines.gates.slices import WHOLE
from quantgate.pipelines.paired.exact import items_needed
from quantgate.pipelines.report.corpus_notes import RowsToWrite, TrafficRow
from quantgate.pipelines.report.remedies.remedy import Basis, Remedy
from quantgate.pipelines.report.wording import percent

_MOST_BREAKS = 200
LOOKED_AT = 2000
"""How many rows `suite mine` has the base answer unless it is told otherwise: fewer than twice what is taken
would leave it nothing to choose among."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsNeeded:
    """What a scope lacks to pass.

    `unbroken` more reliable items without a break would do, or `expected` more that break as often as those
    there are. That is None where the rate itself is at the limit, so that no number would (`never`), and
    where it is more than anybody counts. To have so many that the base gets
    reliably right, `to_write` items have to be written, at its present share; with groups each in one of its
    own.
    """

    scope: str
    unbroken: int
    expected: int | None
    never: bool
    to_write: int
    grouped: bool

    @property
    def reliable(self) -> int:
        """How many reliable items are meant: those expected to be enough, else unbroken ones."""
        return self.unbroken if self.expected is None else self.expected


def open_scopes(verdict: Verdict) -> tuple[SliceVerdict, ...]:
    """Return the scopes that keep a verdict open, the whole suite first."""
    blocking = {Decision.INCONCLUSIVE} | (
        {Decision.UNPROVEN} if verdict.policy.require_all_slices else set()
    )
    scopes = (*([verdict.whole] if verdict.whole else []), *verdict.slices)
    return tuple(scope for scope in scopes if scope.decision in blocking)


def items_to_settle(scope: SliceVerdict, limits: Limits) -> ItemsNeeded | None:
    """Return what a scope lacks; None where its break rate is not what is open, or it has no items."""
    counted = scope.statistics
    if not scope.unbroken_items_needed or not counted.reliable:
        return None
    unbroken = _unbroken(counted, limits, more_breaks=0)
    expected = _at_its_rate(counted, limits)
    share = counted.reliable / counted.items
    return ItemsNeeded(
        scope="the whole suite" if scope.name == WHOLE else scope.name,
        unbroken=unbroken,
        expected=expected,
        never=counted.break_rate >= limits.max_break_rate,
        to_write=ceil((unbroken if expected is None else expected) / share),
        grouped=counted.clusters is not None,
    )


def _at_its_rate(counted: PairedStatistics, limits: Limits) -> int | None:
    """Return how many more items pass with so many more breaks as their number lets expect, rounded up."""
    rate = counted.break_rate
    if rate >= limits.max_break_rate:
        return None
    for more_breaks in range(_MOST_BREAKS):
        needed = more_breaks + _unbroken(counted, limits, more_breaks=more_breaks)
        if rate * needed <= more_breaks:
            return needed
    return None


def _unbroken(counted: PairedStatistics, limits: Limits, *, more_breaks: int) -> int:
    return items_needed(
        counted.broke + more_breaks,
        counted.reliable + more_breaks,
        max_break_rate=limits.max_break_rate,
        confidence=limits.confidence,
        effective=counted.effective_reliable + more_breaks if counted.clusters else None,
    )


def _limits(verdict: Verdict, policy: Policy, scope: SliceVerdict) -> Limits:
    """Return what a scope has to meet to pass; the whole suite beside all variants of its family."""
    if scope.name != WHOLE:
        return policy.slice_limits(scope.name)
    limits = policy.limits()
    if verdict.family is None:
        return limits
    beside_others = family_confidence(policy, verdict.family.variants)
    return replace(limits, confidence=max(limits.confidence, beside_others))


def _at_this_rate(needed: ItemsNeeded, rate: float) -> str:
    if needed.never:
        return f"no number does if they go on breaking as often as now ({percent(rate)})"
    items = f"over {_MOST_BREAKS / rate:,.0f}" if needed.expected is None else str(needed.expected)
    return f"{items} if they break as often as now ({percent(rate)})"


def more_items(
    verdict: Verdict,
    policy: Policy,
    model: str,
    rows_to_write: Mapping[str, RowsToWrite] = MappingProxyType({}),
) -> Iterator[Remedy]:
    """Yield what would settle each open scope; what is open for another rule says so itself.

    `model` is where the base was found: its answers to traffic show which rows are likeliest to break.
    `rows_to_write` are rows of the build's own traffic that nobody used, by scope.
    """
    for scope in open_scopes(verdict) if verdict.decision is Decision.INCONCLUSIVE else ():
        needed = items_to_settle(scope, _limits(verdict, policy, scope))
        if needed is None:
            yield Remedy(basis=Basis.COMPUTED, text=scope.reason)
            continue
        traffic = rows_to_write.get(scope.name)
        rows = traffic.rows if traffic else ()
        yield Remedy(
            basis=Basis.COMPUTED,
            text=_sentence(needed, scope.statistics, rows),
            command=_mining(needed, model, traffic.file if traffic else "TRAFFIC"),
            rows=rows,
        )


def _sentence(needed: ItemsNeeded, counted: PairedStatistics, rows: Sequence[TrafficRow]) -> str:
    apart = ", each of a group of its own," if needed.grouped else ""
    first = f"such as {', '.join(row.row for row in rows)}, and those " if rows else ""
    return (
        f"{needed.scope}: {needed.unbroken} more reliable items{apart} settle it if none breaks,"
        f" {_at_this_rate(needed, counted.break_rate)}; the base gets {counted.reliable} of"
        f" {counted.items} reliably right, so write about {needed.to_write}, from the rows of your"
        f" traffic {first}that this proposes:"
    )


def _mining(needed: ItemsNeeded, model: str, traffic: str) -> str:
    """Return the command that proposes rows: by the base's margins on as many as are looked at."""
    file = traffic if traffic == "TRAFFIC" else shlex.quote(traffic)
    looked_at = f" --look-at {2 * needed.to_write}" if 2 * needed.to_write > LOOKED_AT else ""
    return f"quantgate suite mine {file} --model {shlex.quote(model)} --take {needed.to_write}{looked_at}"
