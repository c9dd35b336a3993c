"""Reasons in plain sentences, with their numbers."""

from collections.abc import Sequence
from math import ceil, floor
from statistics import fmean

from quantgate.pipelines.domain.verdicts.audit import AuditFinding
from quantgate.pipelines.domain.verdicts.policy import Limits, Policy
from quantgate.pipelines.domain.verdicts.verdict import PairedStatistics, WayCount


def percent(share: float) -> str:
    """Write a share with one decimal, e.g. `7.3 %`."""
    return f"{100 * share:.1f} %"


def percent_bound(share: float) -> str:
    """Write an upper bound, rounded up, so that one above a limit never reads as equal to it."""
    return f"{ceil(1000 * share - 1e-9) / 10:.1f} %"


def percent_lower_bound(share: float) -> str:
    """Write a lower bound, rounded down, so that one below a limit never reads as equal to it."""
    return f"{floor(1000 * share + 1e-9) / 10:.1f} %"


def points(difference: float) -> str:
    """Write a difference of shares in percentage points with their sign, e.g. `+3.1 points`."""
    return f"{100 * difference:+.1f}".replace("-", "−") + " points"  # noqa: RUF001 - a minus sign


def points_bound(difference: float) -> str:
    """Write a lower bound of a difference in points, rounded down: a shortfall never looks like none."""
    return points(floor(1000 * difference + 1e-9) / 1000)


def counts(name: str, statistics: PairedStatistics) -> str:
    """Say what broke and how: `tail: 3 of 41 reliably right items broke (7.3 %, bound 17.9 %; 3 truncated)`.

    Where items share groups the bound is that of as many groups: `(7.3 %, bound 31.9 % over 12 groups)`.
    Where the variant answered more than once, the rate is the mean of its runs: `4, 2 and 3 in its runs`.
    """
    if not statistics.reliable:
        return f"{name}: the reference gets no item reliably right, so nothing can break"
    groups = f" over {statistics.clusters.groups} groups" if statistics.clusters else ""
    together = ", all of one group" if statistics.broke > statistics.broke_apart == 1 else ""
    single = ""
    if statistics.runs is not None:
        *first, last = statistics.runs.broke
        single = f", {', '.join(map(str, first))} and {last} in its runs"
    return (
        f"{name}: {broken(statistics)} of {statistics.reliable} reliably right items broke{together}{single}"
        f" ({percent(statistics.break_rate)}, bound {percent_bound(statistics.break_rate_bound)}"
        f"{groups}{f'; {ways}' if (ways := broke_in(statistics)) else ''})"
    )


def broken(statistics: PairedStatistics) -> str:
    """Write how many items broke; the mean where the variant answered more than once: `2.3`."""
    if statistics.runs is None:
        return str(statistics.broke)
    return f"{fmean(statistics.runs.broke):.1f}".removesuffix(".0")


def broke_in(statistics: PairedStatistics, *, most: int = 3) -> str:
    """Say how items broke: `6 wrong value, 2 not JSON, 1 in other ways`; "" where no grade tells."""
    return in_ways(statistics.broke_ways, most=most)


def in_ways(ways: Sequence[WayCount], *, most: int = 3) -> str:
    """Write the most frequent ways with their counts, and how many others there are."""
    parts = [f"{way.count} {way.way}" for way in ways[:most]]
    others = sum(way.count for way in ways[most:])
    return ", ".join([*parts, *([f"{others} in other ways"] if others else [])])


def unbroken_items(count: int, *, grouped: bool) -> str:
    """Say how many items would settle something; where items share groups, each needs one of its own."""
    apart = ""
    if grouped:
        apart = " of another group" if count == 1 else ", each of another group,"
    return f"{count} more unbroken {'item' if count == 1 else 'items'}{apart}"


def limit(rules: Policy | Limits) -> str:
    """Write the limit of the break rate as short as it is: `10 %`."""
    return share(rules.max_break_rate)


def share(value: float) -> str:
    """Write a share that a person chose as short as it is: `10 %`, `2.5 %`."""
    return f"{100 * value:g} %"


def audit_miss(finding: AuditFinding) -> str:
    """Say what an audit finding promised and what was found."""
    return f"audit, {finding.check}: promised {finding.promised}, found {finding.found}"
