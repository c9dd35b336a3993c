"""A random part of the answers that a judge model graded, for people to say right or wrong.

Items are drawn by the hash of their ids, the same ones for every variant, so that no answer is chosen for
what it is and a larger sheet is a smaller one with more below it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.suites.anchor import AnchorLabel, answer_digest
from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.domain.verdicts.verdict import PairedItem, Verdict
from quantgate.pipelines.paired.judges import JUDGE, judged_answers


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """One answer to label, with what its item asks and expects; `label` is None until a person wrote it."""

    item_id: str
    answer_digest: Digest
    label: str | None
    question: str
    expected: str
    answer: str


def label_sheet(suite: Suite, verdicts: Sequence[Verdict], take: int) -> tuple[SheetRow, ...]:
    """Return answers of every variant to `take` items that count for its break rate, equal ones once.

    Labels that the suite holds already stand in their rows.
    """
    labels = {(label.item_id, label.answer_digest): label for label in suite.anchors}
    items = {item.id: item for item in suite.items}
    rows: dict[tuple[str, Digest], SheetRow] = {}
    for verdict in verdicts:
        for pair in _drawn(verdict, take):
            text = pair.variant.said
            key = (pair.item_id, answer_digest(text))
            rows.setdefault(key, _row(items[pair.item_id], key, text, labels.get(key)))
    return tuple(sorted(rows.values(), key=lambda row: (_rank(row.item_id), row.answer_digest)))


def sheet_lines(rows: Sequence[SheetRow]) -> Iterator[str]:
    """Yield the lines of an anchor file; `label` is to become `right` or `wrong`."""
    for row in rows:
        yield json.dumps(
            {
                "item_id": row.item_id,
                "answer_digest": row.answer_digest,
                "label": row.label,
                "question": row.question,
                "expected": row.expected,
                "answer": row.answer,
            },
            ensure_ascii=False,
        )


def _drawn(verdict: Verdict, take: int) -> Iterator[PairedItem]:
    """Yield judged answers in the order of their rank until `take` of them are to reliable items."""
    graded = [pair for pair in verdict.items if pair.variant.grade.grader.startswith(JUDGE)]
    reliable = {answer.item_id for answer in judged_answers(graded, ()) if answer.reliable}
    counted = 0
    for pair in sorted(graded, key=lambda pair: _rank(pair.item_id)):
        if counted >= take:
            return
        counted += pair.item_id in reliable
        yield pair


def _rank(item_id: str) -> Digest:
    return digest_of(["label", item_id])


def _row(item: Item, key: tuple[str, Digest], text: str, label: AnchorLabel | None) -> SheetRow:
    expected = item.expected
    return SheetRow(
        item_id=key[0],
        answer_digest=key[1],
        label=None if label is None else "right" if label.right else "wrong",
        question="\n\n".join(f"{message.role}: {message.content}" for message in item.messages),
        expected=expected
        if isinstance(expected, str)
        else json.dumps(expected, ensure_ascii=False),
        answer=text,
    )
