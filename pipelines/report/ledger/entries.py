"""The flip ledger: every changed answer of a build, each text kept once, small enough to stand in a page.

It is JSON, packed by gzip and written in base64 (RFC 4648): a page of twenty variants and two thousand items
stays a file that one can send. What a browser unpacks it shows as text, never as markup.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.domain.verdicts.verdict import PairedItem, PairOutcome
from quantgate.pipelines.report.build_report import BuildReport
from quantgate.pipelines.report.ledger.flips import (
    LISTED_OUTCOMES,
    broken_runs,
    expected_text,
    listed_pairs,
)
from quantgate.pipelines.report.naming import short_name
from quantgate.pipelines.report.wording import visible

KINDS = ("broke", "fixed", "wrong differently", "unstable")
"""What a changed answer is called: unstable ones do not count, whatever they did."""
MOST_BYTES = 1_900_000
_FEWER = (None, 2000, 1000, 500, 200, 100, 50)
_LONGEST_TEXT = 6000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A packed ledger. `most` is how many changed answers of a variant it holds, None for all of them."""

    packed: str
    answers: int
    most: int | None


@dataclass(slots=True)
class _Texts:
    """Texts by number, in order of first use: what resembles each other stands together and packs well."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        shown = visible(text)
        if len(shown) > _LONGEST_TEXT:
            left_out = len(shown) - _LONGEST_TEXT
            shown = f"{shown[:_LONGEST_TEXT]} … ({left_out} more characters)"
        return self.numbers.setdefault(shown, len(self.numbers))


def ledger(report: BuildReport) -> Ledger:
    """Return a build's ledger; where all of it is too much, the weightiest answers of each variant."""
    for most in _FEWER:
        content, answers = _content(report, most)
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        packed = base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), mtime=0)).decode()
        if len(packed) <= MOST_BYTES:
            break
    return Ledger(packed=packed, answers=answers, most=most)


def kind_of(pair: PairedItem) -> str:
    """Return what a changed answer is called."""
    if not pair.stable:
        return KINDS[3]
    return KINDS[LISTED_OUTCOMES.index(pair.outcome)]


def _content(report: BuildReport, most: int | None) -> tuple[JsonObject, int]:
    by_item = _by_item(report, most)
    texts = _Texts()
    slices = [spec.name for spec in report.suite.slices]
    graders = sorted({pair.variant.grade.grader for pairs in by_item.values() for _, pair in pairs})
    items = [item for item in report.suite.items if item.id in by_item]
    items.sort(key=lambda item: -_breaks(by_item[item.id]))
    rows: list[JsonValue] = [
        _row(item, by_item[item.id], texts, slices=slices, graders=graders) for item in items
    ]
    content: JsonObject = {
        "variants": [short_name(report, variant) for variant in report.variants],
        "slices": list(slices),
        "graders": list(graders),
        "kinds": list(KINDS),
        "items": rows,
        "texts": list(texts.numbers),
    }
    return content, sum(map(len, by_item.values()))


def _by_item(report: BuildReport, most: int | None) -> dict[str, list[tuple[int, PairedItem]]]:
    by_item: dict[str, list[tuple[int, PairedItem]]] = {}
    for number, variant in enumerate(report.variants):
        pairs = listed_pairs(variant.verdict.items) if variant.verdict else ()
        for pair in pairs[:most]:
            by_item.setdefault(pair.item_id, []).append((number, pair))
    return by_item


def _breaks(pairs: Sequence[tuple[int, PairedItem]]) -> int:
    return sum(pair.stable and pair.outcome is PairOutcome.BROKE for _, pair in pairs)


def _row(
    item: Item,
    pairs: Sequence[tuple[int, PairedItem]],
    texts: _Texts,
    *,
    slices: Sequence[str],
    graders: Sequence[str],
) -> JsonValue:
    """Return `[id, slices, question, expected, grader, answers]`, texts by number."""
    question = item.messages[-1].content if item.messages else ""
    return [
        item.id,
        [slices.index(name) for name in item.slices],
        texts.number(question),
        texts.number(expected_text(item)),
        graders.index(pairs[0][1].variant.grade.grader),
        list(_answers(pairs, texts)),
    ]


def _answers(pairs: Sequence[tuple[int, PairedItem]], texts: _Texts) -> Iterator[JsonValue]:
    """Yield `[variant, kind, base said, its reason, variant said, its reason, way, margin]` of every answer.

    The margin is the base's in the runtime that judged the variant, in nats; null where that told none.
    """
    for number, pair in pairs:
        reference, answer = pair.reference, pair.variant
        yield [
            number,
            KINDS.index(kind_of(pair)),
            texts.number(reference.shown),
            texts.number(reference.grade.reason),
            texts.number(answer.shown),
            texts.number("; ".join(filter(None, (answer.grade.reason, broken_runs(pair))))),
            texts.number(answer.grade.way or ""),
            reference.margin,
        ]
