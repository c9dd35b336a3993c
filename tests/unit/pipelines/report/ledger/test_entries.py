"""The ledger holds every changed answer, in less room than a page may take."""

import base64
import gzip
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.ledger.alike import broken_alike
from quantgate.pipelines.report.ledger.entries import KINDS, Ledger, ledger
from quantgate.pipelines.report.ledger.flips import listed_pairs
from quantgate.pipelines.report.page.rendering import write_page
from tests.support.verdicts.reports import built, example_report, judged, recipe

SIZES = {"flat": 40, "numeric": 40, "refusal": 20}


def unpacked(packed: Ledger) -> dict[str, Any]:
    content = json.loads(gzip.decompress(base64.b64decode(packed.packed)))
    assert isinstance(content, dict)
    return content


@pytest.fixture(scope="module")
def report() -> BuildReport:
    return example_report(SIZES)


def test_every_changed_answer_is_there_with_both_texts_and_reasons(report: BuildReport) -> None:
    packed = ledger(report)
    content = unpacked(packed)
    texts = content["texts"]
    rows = {
        (item[0], content["variants"][a[0]]): (
            content["kinds"][a[1]],
            *(texts[n] for n in a[2:7]),
            a[7],
        )
        for item in content["items"]
        for a in item[5]
    }
    pairs = [
        (pair, variant.identifier.removeprefix("support-llama--"))
        for variant in report.variants
        if variant.verdict
        for pair in listed_pairs(variant.verdict.items)
    ]
    assert len(rows) == len(pairs) == packed.answers
    assert packed.most is None
    for pair, name in pairs:
        kind, base, base_reason, said, reason, way, margin = rows[pair.item_id, name]
        assert (base, said) == (pair.reference.shown, pair.variant.shown)
        assert (base_reason, reason) == (pair.reference.grade.reason, pair.variant.grade.reason)
        assert way == (pair.variant.grade.way or "")
        assert kind in KINDS
        assert margin == pair.reference.margin is not None
    assert packed == ledger(report)


def test_an_unstable_item_is_a_kind_of_its_own(report: BuildReport) -> None:
    variant = report.variants[2]
    assert variant.verdict is not None
    items = tuple(replace(pair, stable=False) for pair in variant.verdict.items)
    shown = replace(variant, verdict=replace(variant.verdict, items=items))
    content = unpacked(ledger(replace(report, variants=(shown,))))
    kinds = {KINDS[a[1]] for item in content["items"] for a in item[5]}
    assert kinds == {"unstable"}


def test_what_breaks_most_variants_comes_first_and_who_breaks_alike_is_counted(
    report: BuildReport,
) -> None:
    q2 = report.variants[2]
    twice = replace(report, variants=(q2, replace(q2, identifier="support-llama--again")))
    assert q2.verdict is not None
    assert q2.verdict.whole is not None
    broke = q2.verdict.whole.statistics.broke
    (group,) = broken_alike(twice)
    assert group.variants == ("Q2_K", "again")
    assert len(group.items) == group.same_answer == broke
    content = unpacked(ledger(twice))
    leading = content["items"][:broke]
    assert all(len(item[5]) == 2 and item[5][0][1] == 0 for item in leading)
    assert broken_alike(replace(report, variants=(q2,))) == ()


def wreck(report: BuildReport, number: int) -> VariantReport:
    """A variant that gets every item wrong, each in words of its own."""
    source = random.Random(number)
    texts = [
        f'{{"name": "refund_order", "arguments": {{"order_id": {source.randrange(10**9)}, "reason": '
        f'"{source.choice(("late", "broken", "never sent"))}", "note": "{source.getrandbits(64):x}"}}}}'
        for _ in report.suite.items
    ]
    made = built(recipe(f"W{number}", "a/b/c"), size_bytes=1000 + number, bits=2.0)
    return judged(report.suite, made, report.references[0], {}, texts=texts)


def test_a_page_of_twenty_wrecks_on_two_thousand_items_can_be_sent(tmp_path: Path) -> None:
    """Each answer is judged once: twenty variants share two wrecks' answers, texts made different."""
    report = example_report({"flat": 1000, "numeric": 900, "refusal": 100})
    wrecks = [replace(wreck(report, n)) for n in range(2)]
    variants = []
    for number in range(20):
        source = wrecks[number % 2]
        assert source.verdict is not None
        items = tuple(
            replace(
                pair,
                variant=replace(
                    pair.variant,
                    answer=replace(
                        pair.variant.answer, text=f"{pair.variant.answer.text} {number * 7919:x}"
                    ),
                ),
            )
            for pair in source.verdict.items
        )
        variants.append(
            replace(
                source,
                identifier=f"support-llama--W{number}",
                verdict=replace(source.verdict, items=items),
            )
        )
    shown = replace(report, variants=tuple(variants))
    packed = ledger(shown)
    assert packed.answers > 35_000
    assert packed.most is None
    write_page(shown, tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size < 3_000_000
