"""Reasons in plain sentences, with their numbers."""

from math import ceil

from pipelines.domain.audit import AuditFinding
from pipelines.domain.policy import Policy
from pipelines.domain.verdict import PairedStatistics


def percent(share: float) -> str:
    """Write a share with one decimal, e.g. `7.3 %`."""
    return f"{100 * share:.1f} %"


def percent_bound(share: float) -> str:
    """Write an upper bound, rounded up, so that one above a limit never reads as equal to it."""
    return f"{ceil(1000 * share - 1e-9) / 10:.1f} %"


def counts(name: str, statistics: PairedStatistics) -> str:
    """Say what broke: `tail: 3 of 41 reliably right items broke (7.3 %, bound 17.9 %)`."""
    if not statistics.reliable:
        return f"{name}: the reference gets no item reliably right, so nothing can break"
    return (
        f"{name}: {statistics.broke} of {statistics.reliable} reliably right items broke"
        f" ({percent(statistics.break_rate)}, bound {percent_bound(statistics.break_rate_bound)})"
    )


def limit(policy: Policy) -> str:
    """Write the policy's limit as short as it is: `10 %`."""
    return f"{100 * policy.max_break_rate:g} %"


def audit_miss(finding: AuditFinding) -> str:
    """Say what an audit finding promised and what was found."""
    return f"audit, {finding.check}: promised {finding.promised}, found {finding.found}"
