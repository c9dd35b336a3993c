"""Tables of verdicts in Markdown, for model cards and for MLflow's pages."""

from collections.abc import Sequence

from quantgate.pipelines.domain.verdicts.verdict import PairedStatistics, PairOutcome, Verdict

_SHOWN_FLIPS = 50


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; what would end a cell is escaped."""
    lines = [headings, ["---" for _ in headings], *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def slices_table(verdict: Verdict) -> str:
    """Return base against variant, for the suite and for each slice, with how to read it."""
    rows = [(scope.name, scope.statistics, scope.decision.value) for scope in verdict.slices]
    if verdict.whole is not None:
        rows.insert(0, ("**all**", verdict.whole.statistics, verdict.whole.decision.value))
    headings = (
        "slice",
        "items",
        "base",
        "variant",
        "broke",
        "fixed",
        "break rate at most",
        "decision",
    )
    counted = table(
        headings, [(name, *_counted(counted), decision) for name, counted, decision in rows]
    )
    policy = verdict.policy
    return (
        f"{counted}\n\nThe *base* is the full-precision model, the *variant* this one; a slice is a named "
        "part of the suite's items. *Broke* counts items that the base answers right reliably and the "
        "variant gets wrong, *fixed* those the other way round. The *break rate* is at most that, at "
        f"{100 * policy.whole_confidence:.4g}% confidence (exact, Clopper-Pearson); the policy allows "
        f"{policy.max_break_rate:.0%}. *Unproven*: too few items to say so of that slice alone."
    )


def flips_table(verdict: Verdict) -> str:
    """Return which items changed from right to wrong or back, and how."""
    changed = [
        item for item in verdict.items if item.outcome in (PairOutcome.BROKE, PairOutcome.FIXED)
    ]
    if not changed:
        return "No item changed from right to wrong, or back."
    rows = [
        (item.item_id, ", ".join(item.slices), item.outcome.value, item.variant.grade.way or "")
        for item in changed[:_SHOWN_FLIPS]
    ]
    left = len(changed) - len(rows)
    return table(("item", "slices", "now", "how"), rows) + (f"\n\nand {left} more" if left else "")


def _counted(counted: PairedStatistics) -> tuple[str, ...]:
    return (
        str(counted.items),
        f"{counted.reference_accuracy:.1%}",
        f"{counted.variant_accuracy:.1%}",
        f"{counted.broke} of {counted.reliable}",
        str(counted.fixed),
        f"{counted.break_rate_bound:.1%}",
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
