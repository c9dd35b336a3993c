"""The items worth a person's eyes: those whose answer changed, with all variants that changed it."""

from collections.abc import Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.domain.values import text_or_json
from quantgate.pipelines.domain.verdicts.verdict import PairedItem, PairOutcome
from quantgate.pipelines.report.build_report import BuildReport
from quantgate.pipelines.report.differences import Shown, side_by_side
from quantgate.pipelines.report.wording import visible

LISTED_OUTCOMES = (PairOutcome.BROKE, PairOutcome.FIXED, PairOutcome.BOTH_WRONG_DIFFERENT)
LISTED_ANSWERS = 300
"""How many changed answers a page lists for those who read it without its script."""
_LONGEST_QUESTION = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedAnswer:
    """One variant's changed answer to one item, beside the reference's."""

    variant: str
    outcome: PairOutcome
    stable: bool
    reference: Shown
    reference_reason: str
    answer: Shown
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedItem:
    """One item that somebody answers differently; most breaks first in a list of these."""

    item_id: str
    slices: tuple[str, ...]
    question: str
    expected: str
    answers: tuple[ChangedAnswer, ...]


def listed_pairs(items: Sequence[PairedItem]) -> tuple[PairedItem, ...]:
    """Return the changed answers in order of outcome: broke, fixed, then wrong in another way."""
    return tuple(item for outcome in LISTED_OUTCOMES for item in items if item.outcome is outcome)


def broken_runs(pair: PairedItem) -> str:
    """Say in how many of its runs a variant broke an item it does not always break; "" otherwise."""
    if pair.outcome is not PairOutcome.BROKE or pair.variant_stable:
        return ""
    wrong = sum(not graded.grade.correct for graded in pair.variant_runs)
    return f"in {wrong} of {len(pair.variant_runs)} runs"


def changed_items(report: BuildReport) -> tuple[ChangedItem, ...]:
    """Group all variants' changed answers by item: those that break most variants first.

    Whole items are left out once there are `LISTED_ANSWERS`: diffs take their time, and the ledger has all.
    """
    by_item: dict[str, list[tuple[str, PairedItem]]] = {}
    for variant in report.variants:
        for pair in listed_pairs(variant.verdict.items) if variant.verdict else ():
            by_item.setdefault(pair.item_id, []).append((variant.identifier, pair))
    items = [item for item in report.suite.items if item.id in by_item]
    items.sort(key=lambda item: -sum(p.outcome is PairOutcome.BROKE for _, p in by_item[item.id]))
    listed: list[ChangedItem] = []
    answers = 0
    for item in items:
        if answers >= LISTED_ANSWERS:
            break
        answers += len(by_item[item.id])
        listed.append(changed_item(item, [changed_answer(*each) for each in by_item[item.id]]))
    return tuple(listed)


def changed_between(
    suite: Suite, name: str, pairs: Sequence[PairedItem]
) -> tuple[ChangedItem, ...]:
    """Return items with the changed answers of one comparison, in order of outcome."""
    items = {item.id: item for item in suite.items}
    return tuple(
        changed_item(items[pair.item_id], [changed_answer(name, pair)])
        for pair in listed_pairs(pairs)[:LISTED_ANSWERS]
    )


def expected_text(item: Item) -> str:
    """Return what the suite expects, as text."""
    return text_or_json(item.expected)


def changed_item(item: Item, answers: Sequence[ChangedAnswer]) -> ChangedItem:
    """Return an item with its changed answers; the question is the last message, shortened."""
    question = visible(item.messages[-1].content if item.messages else "")
    if len(question) > _LONGEST_QUESTION:
        # The middle of a long context is filler more often than its ends are.
        half = _LONGEST_QUESTION // 2
        left_out = len(question) - 2 * half
        question = f"{question[:half]} … ({left_out} characters) … {question[-half:]}"
    return ChangedItem(
        item_id=item.id,
        slices=item.slices,
        question=question,
        expected=visible(expected_text(item)),
        answers=tuple(answers),
    )


def changed_answer(name: str, item: PairedItem) -> ChangedAnswer:
    """Return both answers of a pair, with what differs marked."""
    reference, answer = side_by_side(item.reference.shown, item.variant.shown)
    return ChangedAnswer(
        variant=name,
        outcome=item.outcome,
        stable=item.stable,
        reference=reference,
        reference_reason=visible(item.reference.grade.reason),
        answer=answer,
        reason=visible("; ".join(filter(None, (item.variant.grade.reason, broken_runs(item))))),
    )
