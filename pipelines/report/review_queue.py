"""What is worth a person's decision: answers that flipped, and expectations that may have expired."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.run import GradedAnswer
from quantgate.pipelines.domain.suites.adjudication import Adjudication
from quantgate.pipelines.domain.suites.anchor import answer_digest
from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.verdicts.verdict import PairedItem, PairOutcome, Verdict
from quantgate.pipelines.evaluation.adjudications import decisions, item_digest

EXPIRED = "expectation expired?"
_FLIPS = (PairOutcome.BROKE, PairOutcome.FIXED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewEntry:
    """One answer to decide on, whoever gave it.

    `why` is `broke`, `fixed` or `expectation expired?` (the base and every variant that was asked give
    this answer and the expectation calls it wrong). `given_by` are the variants that gave it, `reference`
    is the base's answer beside it; `decided` is what was decided before, None where nothing was.
    """

    item: Item
    item_sha256: Digest
    answer: GradedAnswer
    answer_sha256: Digest
    reference: GradedAnswer
    why: str
    given_by: tuple[str, ...]
    decided: Adjudication | None

    @property
    def question(self) -> str:
        """The last message."""
        return self.item.messages[-1].content if self.item.messages else ""

    @property
    def expected(self) -> str:
        """What the suite expects, as text."""
        expected = self.item.expected
        return expected if isinstance(expected, str) else json.dumps(expected, ensure_ascii=False)


def review_queue(suite: Suite, verdicts: Sequence[Verdict]) -> tuple[ReviewEntry, ...]:
    """Return what awaits a decision: answers that broke the most variants first, then fixed, then expired.

    Unstable items are left out: there the reference has no answer of its own.
    """
    asked = [verdict for verdict in verdicts if verdict.items]
    items = {item.id: item for item in suite.items}
    decided = decisions(suite.adjudications, suite.items)
    entries: dict[tuple[str, Digest], ReviewEntry] = {}
    for verdict in asked:
        for pair in verdict.items:
            why = _why(pair, asked)
            if why is None:
                continue
            digest = answer_digest(pair.variant.said)
            key = (pair.item_id, digest)
            before = entries[key].given_by if key in entries else ()
            entries[key] = ReviewEntry(
                item=items[pair.item_id],
                item_sha256=item_digest(items[pair.item_id]),
                answer=pair.variant,
                answer_sha256=digest,
                reference=pair.reference,
                why=why,
                given_by=(*before, verdict.subject),
                decided=decided.get(key),
            )
    order = [PairOutcome.BROKE.value, PairOutcome.FIXED.value, EXPIRED]
    return tuple(
        sorted(entries.values(), key=lambda entry: (order.index(entry.why), -len(entry.given_by)))
    )


def _why(pair: PairedItem, asked: Sequence[Verdict]) -> str | None:
    thinking = pair.variant.spoken is not None and not pair.variant.spoken.finished
    if not pair.stable or thinking:  # a thought without an end says nothing to decide about
        return None
    if pair.outcome in _FLIPS:
        return pair.outcome.value
    if pair.outcome is PairOutcome.BOTH_WRONG_SAME and _all_say_it(pair.item_id, asked):
        return EXPIRED
    return None


def _all_say_it(item_id: str, asked: Sequence[Verdict]) -> bool:
    outcomes = [
        pair.outcome for verdict in asked for pair in verdict.items if pair.item_id == item_id
    ]
    return all(outcome is PairOutcome.BOTH_WRONG_SAME for outcome in outcomes)
