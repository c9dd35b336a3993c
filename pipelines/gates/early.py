"""Exact early stopping: a decision that no further answer can change.

Asking in any order, a variant may be stopped as soon as its best and its worst completion are decided alike:
what really would have come lies between them by every rule (`pipelines.gates.completions`), the behaviour
checks that an audit makes after a run included. So the decision is that of the full run, always. Mostly it
stops variants that fail: to pass, hardly an item may be left that could run on for ever.

Answers are taken to be no longer than `max_tokens` allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from quantgate.pipelines.audit.behaviour import audit_behaviour
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision, SliceVerdict, Verdict
from quantgate.pipelines.gates.completions import (
    all_thoughts,
    answered,
    best_completion,
    worst_completion,
)
from quantgate.pipelines.gates.judge import audit_reasons, scope_reasons
from quantgate.pipelines.gates.scopes import Scopes, judge_scopes, overall
from quantgate.pipelines.gates.slices import worst
from quantgate.pipelines.gates.wording import counts
from quantgate.pipelines.paired.pairing import pair

_BEST_FIRST = (Decision.PASS, Decision.UNPROVEN, Decision.INCONCLUSIVE, Decision.FAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A variant in the middle of its run: `asked` holds the answers so far, in suite order.

    `audit` is what was found before any item was asked; `reference_runs` are complete.
    """

    suite: Suite
    policy: Policy
    audit: AuditReport
    reference_runs: Sequence[Run]
    asked: Run


def settled(examined: Examined) -> Decision | None:
    """Return the decision that every completion of the run leads to; None while there are several.

    Raises:
        InputError: where the runs are not comparable, or the policy does not fit the suite.
    """
    return _outlook(examined).decision


def judge_stopped(examined: Examined) -> Verdict:
    """Return the verdict of a variant that was stopped.

    Its statistics are those of the items asked. Every scope's decision is the one that the full run would
    have come to; a scope of which that is not known yet is inconclusive, and says so.

    Raises:
        InputError: where the decision is not settled, the runs are not comparable, or the policy does not
            fit the suite.
    """
    outlook = _outlook(examined)
    suite, policy, asked = examined.suite, examined.policy, examined.asked
    ids = {graded.answer.item_id for graded in asked.answers}
    missing = tuple(item.id for item in suite.items if item.id not in ids)
    if outlook.decision is None:
        raise InputError(
            f"{len(missing)} items are not asked, and could still change the decision",
            where=asked.subject,
            next_step="ask on",
        )
    references = answered(examined.reference_runs, asked)
    part = replace(suite, items=tuple(item for item in suite.items if item.id in ids))
    items = pair(suite=part, reference_runs=references, variant=asked)
    judged = judge_scopes(suite, policy, items)
    scopes = Scopes(
        whole=_as_settled(judged.whole, outlook.whole, len(suite.items)),
        slices=tuple(
            _as_settled(scope, decision, sum(scope.name in item.slices for item in suite.items))
            for scope, decision in zip(judged.slices, outlook.slices, strict=True)
        ),
    )
    stopped = f"stopped after {len(items)} of {len(suite.items)} items: no answer could change this"
    return Verdict(
        subject=asked.subject,
        decision=outlook.decision,
        reasons=(*audit_reasons(outlook.audit), *scope_reasons(scopes, policy), stopped),
        policy=policy,
        contract=asked.contract,
        reference_key=examined.reference_runs[0].key,
        run_key=asked.key,
        suite_digest=suite.digest,
        whole=scopes.whole,
        slices=scopes.slices,
        items=items,
        not_asked=missing,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outlook:
    """What is certain: the decision, those of each scope (None: open), and the audit's certain misses."""

    decision: Decision | None
    whole: Decision | None
    slices: tuple[Decision | None, ...]
    audit: AuditReport


def _outlook(examined: Examined) -> _Outlook:
    suite, policy, reference = examined.suite, examined.policy, examined.reference_runs[0]
    highest = best_completion(suite, reference, examined.asked)
    lowest = worst_completion(suite, reference, examined.asked)
    best, worst_ = (
        [_best(decisions) for decisions in _decisions(examined, highest)],
        [worst(decisions) for decisions in _decisions(examined, lowest)],
    )
    least = _audit(examined, highest)
    upper = overall(least, best[0], best[1:], policy)
    lower = worst(
        overall(_audit(examined, completed), worst_[0], worst_[1:], policy)
        for completed in (lowest, all_thoughts(lowest, examined.asked))
    )
    scopes = [high if high is low else None for high, low in zip(best, worst_, strict=True)]
    return _Outlook(
        decision=upper if upper is lower else None,
        whole=scopes[0],
        slices=tuple(scopes[1:]),
        audit=least,
    )


def _decisions(examined: Examined, completed: Run) -> list[tuple[Decision, ...]]:
    """Return decisions of the whole and of every slice, by each way in which grades may turn out.

    Whether scores are graded is known only when all of them are, and decides how the margin of
    non-inferiority is tested.
    """
    items = pair(suite=examined.suite, reference_runs=examined.reference_runs, variant=completed)
    ways = [judge_scopes(examined.suite, examined.policy, items)]
    open_ = len(examined.asked.answers) < len(examined.suite.items)
    if open_ and _asks_for_a_margin(examined.policy):
        ways.append(judge_scopes(examined.suite, examined.policy, items, by_scores=True))
    by_way = [(way.whole.decision, *(scope.decision for scope in way.slices)) for way in ways]
    return list(zip(*by_way, strict=True))


def _asks_for_a_margin(policy: Policy) -> bool:
    return policy.non_inferiority is not None or any(
        rules.non_inferiority is not None for rules in policy.slices
    )


def _best(decisions: Sequence[Decision]) -> Decision:
    return min(decisions, key=_BEST_FIRST.index)


def _audit(examined: Examined, completed: Run) -> AuditReport:
    """Return the audit as it would be after this completion."""
    findings = audit_behaviour(examined.reference_runs[0], completed)
    return replace(examined.audit, findings=(*examined.audit.findings, *findings))


def _as_settled(judged: SliceVerdict, decision: Decision | None, total: int) -> SliceVerdict:
    """Return a scope of a stopped run with its certain decision, and with what is certain about it."""
    asked = judged.statistics.items
    if asked == total:
        return judged
    label = "the whole suite" if judged.name == "all" else judged.name
    sentence = f"{counts(label, judged.statistics)} after {asked} of {total} items"
    if decision is None:
        return replace(
            judged,
            decision=Decision.INCONCLUSIVE,
            reason=f"{sentence}: open",
            unbroken_items_needed=0,
        )
    return replace(
        judged,
        decision=decision,
        reason=f"{sentence}: {decision.value}, whatever the others answer",
        unbroken_items_needed=0,
    )
