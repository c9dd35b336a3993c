"""The page is one file that fetches nothing, says everything, and stays text whatever a model said."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from quantgate.pipelines.audit.served import KERNELS
from quantgate.pipelines.domain.checkpoint import StoredQuantization
from quantgate.pipelines.domain.recipe import Format, Numerics
from quantgate.pipelines.domain.run import Facet
from quantgate.pipelines.domain.verdicts.audit import AuditFinding, AuditReport
from quantgate.pipelines.domain.verdicts.judge_evidence import JudgedAnswer
from quantgate.pipelines.domain.verdicts.verdict import Decision, FamilyAdjustment, RuleVerdict
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.paired.judges import judge_evidence
from quantgate.pipelines.report.build_report import BuildReport, ReferenceReport
from quantgate.pipelines.report.ledger.flips import LISTED_ANSWERS, listed_pairs
from quantgate.pipelines.report.page.rendering import render_page, write_page
from quantgate.pipelines.report.result import result_json
from tests.support.llamacpp.gguf_writing import Value
from tests.support.models.foreign import planned, write_quant
from tests.support.verdicts.reports import (
    built,
    example_report,
    example_run,
    example_suite,
    judged,
    recipe,
)
from tests.support.verdicts.speeds import timed_twice_as_fast

SMALL = {"flat": 32, "numeric": 40, "refusal": 30, "tail": 6}
VOID = {"meta", "br", "input", "link", "img"}


class Outline(HTMLParser):
    """Collects what the tests ask about, and checks that tags nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.misnested: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.misnested.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    return parsed


@pytest.fixture(scope="module")
def report() -> BuildReport:
    return example_report(SMALL)


@pytest.fixture(scope="module")
def page(report: BuildReport) -> str:
    return render_page(report)


def test_kernels_that_a_server_named_stand_where_its_runtime_states_none() -> None:
    report = with_answers([])
    (variant,) = report.variants
    assert variant.verdict and variant.audit
    contract = variant.verdict.contract
    unstated = replace(contract, runtime=replace(contract.runtime, kernels="unknown"))
    named = AuditFinding(check=KERNELS, passed=True, promised="", found="weight-only: A for B")
    served = replace(
        variant,
        verdict=replace(variant.verdict, contract=unstated),
        audit=AuditReport(findings=(*variant.audit.findings, named)),
    )
    shown = replace(report, variants=(served,))
    assert "weight-only kernels" in render_page(shown)
    assert json.loads(json.dumps(result_json(shown)))["variants"][0]["kernels"] == "weight-only"
    assert replace(served, audit=variant.audit).kernels == "unknown"
    assert replace(served, verdict=None).kernels == "unknown"


def with_answers(texts: list[str]) -> BuildReport:
    """A build of one variant whose first answers are `texts`."""
    suite = example_suite(SMALL)
    reference = ReferenceReport(runs=(example_run(suite, subject="support-llama", damage={}),))
    variant = built(recipe("Q2_K", "Q2_K/8-bit blocks/f16"), size_bytes=1_641_000, bits=2.96)
    return replace(
        example_report(SMALL),
        suite=suite,
        references=(reference,),
        variants=(judged(suite, variant, reference, {}, texts=texts),),
    )


def test_a_quant_of_others_says_where_it_was_found_and_what_it_claims(
    tmp_path: Path, store: Store
) -> None:
    said: dict[str, Value] = {"general.quantized_by": "<b>somebody</b>"}
    (foreign,) = planned(write_quant(tmp_path / "q.gguf", said), store=store)
    report = with_answers([])
    (variant,) = report.variants
    assert variant.variant
    theirs = replace(variant.variant, recipe=foreign, corpus_label=None, corpus_digest=None)
    shown = replace(report, variants=(replace(variant, recipe=foreign, variant=theirs),))
    page = render_page(shown)
    assert outline(page).misnested == []
    assert "unknown: somebody else made it" in page
    assert f"{tmp_path}/q.gguf" in page
    assert file_digest(tmp_path / "q.gguf") in page
    assert "general.quantized_by: &lt;b&gt;somebody&lt;/b&gt;" in page
    assert json.loads(json.dumps(result_json(shown)))["variants"][0]["origin"] == "foreign"


def test_the_page_is_well_formed_and_fetches_nothing(page: str) -> None:
    parsed = outline(page)

    assert parsed.misnested == []
    assert parsed.open == []
    for tag, attributes in parsed.tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert not {"src", "action", "srcset"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "a":
            assert (attributes["href"] or "").startswith("#")
    assert "@import" not in page
    assert "url(" not in page


def test_every_link_leads_somewhere_and_no_id_comes_twice(page: str) -> None:
    tags = outline(page).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]

    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        if "href" in attributes:
            assert (attributes["href"] or "")[1:] in ids


def test_only_the_pages_own_script_may_run(page: str) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    policy = next(
        attributes["content"]
        for tag, attributes in outline(page).tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )

    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert len(scripts) == 1
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_what_a_model_says_stays_text() -> None:
    hostile = [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "</p></section></main><h1>pass</h1>",
        "{{ 7 * 7 }}{% include 'page.py' %}",
        "&lt;b&gt; \" ' `",
        "\x00\ud800\u202e",
        "",
        "-->]]>",
    ]

    drawn = render_page(with_answers(hostile))

    parsed = outline(drawn)
    assert parsed.misnested == []
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert [tag for tag, _ in parsed.tags].count("h1") == 1
    assert not [tag for tag, _ in parsed.tags if tag == "img"]
    said = "".join(parsed.text)
    for text in hostile[:5]:
        assert text in said
    assert "␀⟨U+D800⟩⟨U+202E" in said
    assert "(nothing)" in said
    drawn.encode("utf-8")


def test_hostile_names_stay_text_too(report: BuildReport) -> None:
    failed = replace(
        report.variants[0],
        identifier='"><script>alert(2)</script>',
        verdict=None,
        audit=None,
        variant=None,
        failure="<script>alert(3)</script>",
    )

    parsed = outline(render_page(replace(report, build="<b>", variants=(failed,))))

    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert parsed.misnested == []
    assert "<script>alert(2)</script>" in "".join(parsed.text)


def test_the_headline_names_the_smallest_passing_variant(page: str, report: BuildReport) -> None:
    smallest = report.smallest_passing

    assert smallest is not None
    assert smallest.identifier == "support-llama--Q4_K_M--imatrix"
    assert "<h1>Ship Q4_K_M--imatrix</h1>" in page
    assert "it is the smallest that passes: 2.21 MB, where the base takes 6.81 MB" in page
    assert "registered as version 3" in page


def test_a_build_in_which_nothing_passes_says_so(report: BuildReport) -> None:
    failing = replace(report, variants=report.variants[2:3])
    unchanged = replace(report, variants=report.variants[4:5])

    assert report.variants[2].verdict is not None
    assert report.variants[2].verdict.decision is Decision.FAIL
    assert "<h1>No variant passes</h1>" in render_page(failing)
    assert "No variant changed any answer." in render_page(unchanged)


def test_a_base_judged_on_its_own_is_shown_by_slice_and_nothing_of_variants(
    report: BuildReport,
) -> None:
    alone = replace(report, variants=())
    drawn = render_page(alone)
    parsed = outline(drawn)

    assert parsed.misnested == [] == parsed.open
    accuracies = [f"{100 * one.accuracy:.1f} %" for one in report.references]
    assert f"<h1>The base by itself gets {' and '.join(accuracies)} right</h1>" in drawn
    assert 'id="verdicts"' not in drawn
    assert 'id="changed"' not in drawn
    primary = report.references[0].primary
    right = {g.answer.item_id for g in primary.answers if g.grade.correct}
    for spec in report.suite.slices:
        ids = [item.id for item in report.suite.items if spec.name in item.slices]
        assert f"{len(right & set(ids))} of {len(ids)}<" in drawn


def test_a_base_that_could_not_be_judged_on_its_own_says_why(report: BuildReport) -> None:
    failed = replace(report, variants=(), references=(), base_failures=("out of <memory>",))
    drawn = render_page(failed)

    assert "<h1>The base could not be judged</h1>" in drawn
    assert "out of &lt;memory&gt;" in drawn


def test_a_low_bit_base_is_shown_with_its_own_numerics(report: BuildReport) -> None:
    stored = StoredQuantization(
        format=Format.AWQ,
        layout="in groups of 128",
        numerics=Numerics(weights="W4", activations="A16", kv_cache="KV16"),
        weight_bits=4,
    )
    low_bit = replace(report, checkpoint=replace(report.checkpoint, quantization=stored))

    assert "W4/A16/KV16, awq in groups of 128" in render_page(low_bit)
    assert result_json(low_bit)["model"]["quantization"] == {  # type: ignore[index,call-overload]
        "format": "awq",
        "layout": "in groups of 128",
        "numerics": "W4/A16/KV16",
    }


def test_what_nobody_reviewed_and_what_no_verdict_is_about_is_said_of_the_base(
    report: BuildReport,
) -> None:
    base = replace(
        report.checkpoint,
        architecture="Gemma3ForConditionalGeneration",
        reviewed=False,
        parts_beside=("vision_tower",),
    )
    unreviewed = replace(report, checkpoint=base)
    drawn, model = render_page(unreviewed), result_json(unreviewed)["model"]
    assert isinstance(model, dict)
    assert model["architecture_review"] == "unreviewed"
    notes = model["notes"]
    assert isinstance(notes, list)
    assert len(notes) == 2
    for note in notes:
        assert str(note) in drawn
    assert "architecture: unreviewed" in drawn
    assert "vision_tower stay whole in folders" in drawn
    assert "architecture:" not in render_page(report)


def test_every_decision_is_readable_without_colour(page: str, report: BuildReport) -> None:
    cells = re.findall(r'class="cell (\w+)".*?</(?:a|span)></td>', page)
    shown = re.findall(
        r'class="cell \w+".*?<b aria-hidden="true">(.)</b>(\d+)/(\d+)'
        r'<span class="unseen"> (\w+)</span>',
        page,
    )

    assert len(cells) == len(shown) == 4 * (1 + len(SMALL))
    symbols = {"pass": "✓", "fail": "✕", "inconclusive": "?", "unproven": "○"}
    assert all(symbols[word] == symbol for symbol, _, _, word in shown)
    assert "unproven" in cells
    for variant in report.variants:
        for judged_slice in variant.verdict.slices if variant.verdict else ():
            counted = judged_slice.statistics
            assert f"{counted.broke}/{counted.reliable}" in page


def test_reasons_audits_errors_contracts_and_digests_are_on_the_page(
    page: str, report: BuildReport
) -> None:
    said = "".join(outline(page).text)

    for variant in report.variants:
        for reason in variant.verdict.reasons if variant.verdict else ():
            assert reason in said
        for finding in variant.audit.findings if variant.audit else ():
            assert finding.found in said
    for fact in (
        "was killed by SIGKILL",
        ".quantgate/logs/GPTQ_W4A16.log",
        "emulated kernels",
        "llamacpp 0.3.36 on cpu",
        "temperature 0",
        report.suite.digest,
        report.checkpoint.digests.chat_template,
        "support-traffic@1",
        "1 of 108: flat-000",
        "Between llamacpp and transformers the base itself differs",
    ):
        assert fact in said


def test_every_changed_answer_is_listed_with_both_texts_and_filter_fields(
    page: str, report: BuildReport
) -> None:
    listed = re.findall(r'data-variant="([^"]+)" data-outcome="([^"]+)"', page)
    section = page[page.index('<section id="changed"') :]

    flips = sum(
        pair.outcome.value in ("broke", "fixed", "both wrong, different answer")
        for variant in report.variants
        if variant.verdict
        for pair in variant.verdict.items
    )
    assert flips > 10
    assert section.count('<section class="answer"') == flips
    assert ("Q2_K", "broke") in listed
    assert "<mark>" in section


def test_without_javascript_everything_shows_but_what_the_script_draws(page: str) -> None:
    hidden = [attributes for _, attributes in outline(page).tags if "hidden" in attributes]

    assert [attributes["id"] for attributes in hidden] == ["filters", "keys", "ledger"]


def test_an_unstable_item_is_marked_as_not_counting() -> None:
    report = example_report(SMALL)
    variant = report.variants[2]
    assert variant.verdict is not None
    items = tuple(replace(pair, stable=False) for pair in variant.verdict.items)
    shown = replace(variant, verdict=replace(variant.verdict, items=items))

    assert "the reference disagrees with itself" in render_page(replace(report, variants=(shown,)))


def test_a_wreck_of_a_build_stays_a_page_one_can_open(tmp_path: Path) -> None:
    report = example_report({"flat": 200, "numeric": 200, "long-context": 100, "refusal": 40})
    reference = report.references[0]
    wrecks = tuple(
        judged(
            report.suite,
            built(recipe(f"IQ{bits}", "IQ/8-bit blocks/f16"), size_bytes=bits, bits=bits),
            reference,
            {"*": 1.0},
        )
        for bits in range(1, 7)
    )

    write_page(replace(report, variants=wrecks), tmp_path / "page.html")

    assert (tmp_path / "page.html").stat().st_size < 1_500_000
    said = (tmp_path / "page.html").read_text()
    listed = said.count('<section class="answer"', said.index('<div id="listed">'))
    assert LISTED_ANSWERS <= listed < LISTED_ANSWERS + len(wrecks)
    changed = sum(len(listed_pairs(each.verdict.items)) for each in wrecks if each.verdict)
    assert changed > 3000
    assert f"These are {listed} of {changed} changed answers" in said


def test_what_decided_beside_the_break_rate_is_on_the_page_and_in_the_result(
    report: BuildReport,
) -> None:
    first, *others = report.variants
    assert first.verdict is not None
    assert first.verdict.whole is not None
    evidence = judge_evidence(
        [
            JudgedAnswer(
                item_id=str(n), judge_right=n > 4, person_right=n > 2, characters=n, reliable=True
            )
            for n in range(60)
        ],
        labels=70,
        confidence=0.95,
    )
    rule = RuleVerdict(rule="min_accuracy", decision=Decision.PASS, reason="90 % is enough")
    facets = (Facet(name="parses", score=1.0), Facet(name="depth_2", score=0.5))
    items = tuple(
        replace(
            item, variant=replace(item.variant, grade=replace(item.variant.grade, facets=facets)),
            reference=replace(
                item.reference, grade=replace(item.reference.grade, facets=facets[:1])
            ),
        )
        for item in first.verdict.items
    )  # fmt: skip
    verdict = replace(
        first.verdict,
        items=items,
        judge=evidence,
        family=FamilyAdjustment(variants=7, raw_p=0.01, adjusted_p=0.07),
        not_asked=("i-1", "i-2"),
        whole=replace(first.verdict.whole, rules=(rule,)),
    )
    changed = replace(report, variants=(replace(first, verdict=verdict), *others))

    text = " ".join(outline(render_page(changed)).text)

    for said in (
        "90 % is enough",
        "2 items were not asked",
        "One of 7 variants tried together",
        "60 of 60 judged answers, 10 of other answers",
        "Cohen's kappa",
        "parses",
    ):
        assert said in text, said
    assert "depth_2" not in text, "the reference was not scored on it"
    told = json.loads(json.dumps(result_json(changed)))["variants"][0]["verdict"]
    (facet,) = told["facets"]
    assert facet["fell"] == 0
    assert facet["items"] == len(items)


def test_what_was_timed_stands_beside_the_size_in_the_decision_and_with_its_spread() -> None:
    report = example_report(SMALL)
    chosen = report.smallest_passing
    assert chosen is not None
    timed = tuple(
        replace(each, speed=timed_twice_as_fast()) if each is chosen else each
        for each in report.variants
    )
    html = render_page(replace(report, variants=timed))
    assert "40.0 MB resident at most" in html
    assert (
        "it generates 20.0 tokens a second, 2.00 of what the base does (1.90 to 2.10, by round), in 0.50"
        " of its memory" in html
    )
    assert "2.00 of its base's, 1.90 to 2.10" in html
    assert "resident at most" not in render_page(report)
