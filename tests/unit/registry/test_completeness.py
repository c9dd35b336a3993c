"""No version without its whole lineage: every digest is dropped and corrupted once, and some at random."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import Calibration
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.registry import Tracking, record
from quantgate.registry.evidence import Evidence, JudgedTranscript
from tests.support.registered.registries import (
    MemoryRegistry,
    Sample,
    evidence_of,
    other_digest,
    tracking_in,
)

Change = Callable[[Evidence], Evidence]


def of_base(name: str, digest: Digest) -> Change:
    """A digest of the base, in the checkpoint and in the variant alike: nothing contradicts it."""

    def change(evidence: Evidence) -> Evidence:
        parts: dict[str, Digest] = {name: digest}
        digests = replace(evidence.checkpoint.digests, **parts)
        return replace(
            evidence,
            checkpoint=replace(evidence.checkpoint, digests=digests),
            variant=replace(evidence.variant, base=digests),
        )

    return change


def of_variant(**what: Any) -> Change:
    return lambda evidence: replace(evidence, variant=replace(evidence.variant, **what))


def of_runtime(**what: Any) -> Change:
    def change(evidence: Evidence) -> Evidence:
        contract = evidence.verdict.contract
        runtime = replace(contract.runtime, **what)
        verdict = replace(evidence.verdict, contract=replace(contract, runtime=runtime))
        return replace(evidence, verdict=verdict)

    return change


def of_suite(digest: Digest) -> Change:
    """A suite's digest, wherever evidence names it."""

    def change(evidence: Evidence) -> Evidence:
        contract = replace(evidence.verdict.contract, suite_digest=digest)
        return replace(
            evidence,
            suite=replace(evidence.suite, digest=digest),
            verdict=replace(evidence.verdict, suite_digest=digest, contract=contract),
        )

    return change


def of_transcript(**what: Any) -> Change:
    def change(evidence: Evidence) -> Evidence:
        assert evidence.transcript is not None
        return replace(evidence, transcript=replace(evidence.transcript, **what))

    return change


def of_reference(**what: Any) -> Change:
    return lambda evidence: replace(
        evidence, references=(replace(evidence.references[0], **what), *evidence.references[1:])
    )


def recipe_changed(evidence: Evidence) -> Evidence:
    recipe = replace(evidence.variant.recipe, calibration_tokens=7)
    return replace(evidence, variant=replace(evidence.variant, recipe=recipe))


def toolchain_changed(evidence: Evidence) -> Evidence:
    toolchain = replace(evidence.variant.toolchain, threads=64)
    return replace(evidence, variant=replace(evidence.variant, toolchain=toolchain))


@dataclass(frozen=True)
class Gap:
    name: str
    dropped: Change
    corrupted: Change


WRONG = other_digest("wrong")
NOTHING = Digest("")
GAPS = (
    *(
        Gap(name=name, dropped=of_base(name, NOTHING), corrupted=of_base(name, WRONG))
        for name in ("weights", "tokenizer", "chat_template", "config")
    ),
    Gap("corpus", of_variant(corpus_digest=None), of_variant(corpus_digest=WRONG)),
    Gap("variant key", of_variant(key=""), of_variant(key=WRONG)),
    Gap("files", of_variant(files_digest=""), of_variant(files_digest=WRONG)),
    Gap("manifest", of_variant(manifest_digest="none"), of_variant(manifest_digest=WRONG)),
    Gap("suite", of_suite(NOTHING), of_suite(WRONG)),
    Gap("engine", of_runtime(engine=""), of_runtime(engine="another")),
    Gap("version", of_runtime(version=""), of_runtime(version="0")),
    Gap("device", of_runtime(device=""), of_runtime(device="another")),
    Gap("transcript", lambda e: replace(e, transcript=None), of_transcript(digest=WRONG)),
    Gap("transcript's digest", of_transcript(digest="none"), of_transcript(key=WRONG)),
    Gap("references", lambda e: replace(e, references=()), of_reference(digest=WRONG)),
    Gap("references' digest", of_reference(digest=""), of_reference(key=WRONG)),
    Gap("recipe", recipe_changed, recipe_changed),
    Gap("toolchain", toolchain_changed, toolchain_changed),
)


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    return tracking_in(tmp_path / "store")


def assert_refused(evidence: Evidence, tracking: Tracking) -> str:
    mlflow = MemoryRegistry()
    with pytest.raises(InputError) as caught:
        record(evidence, tracking, open_registry=mlflow.open)
    assert mlflow.models == {}
    assert mlflow.runs == {}
    return str(caught.value)


@pytest.mark.parametrize("way", ["dropped", "corrupted"])
@pytest.mark.parametrize("gap", GAPS, ids=lambda gap: gap.name)
def test_evidence_with_a_gap_makes_no_version(gap: Gap, way: str, tracking: Tracking) -> None:
    change: Change = getattr(gap, way)
    assert_refused(change(evidence_of(Sample(), tracking.store)), tracking)


def test_several_gaps_at_once_never_make_up_for_each_other(tracking: Tracking) -> None:
    dice = random.Random(15)
    whole = evidence_of(Sample(), tracking.store)
    for _ in range(60):
        evidence = whole
        for gap in dice.sample(GAPS, dice.randint(2, 4)):
            change: Change = dice.choice((gap.dropped, gap.corrupted))
            try:
                evidence = change(evidence)
            except (
                AssertionError,
                IndexError,
            ):  # the transcript that this would change is gone already
                continue
        assert_refused(evidence, tracking)


def test_all_that_is_missing_is_named(tracking: Tracking) -> None:
    evidence = evidence_of(Sample(), tracking.store)
    evidence = of_base("tokenizer", NOTHING)(of_base("config", Digest("none"))(evidence))
    said = assert_refused(replace(evidence, transcript=None), tracking)
    assert "lacks the digest of tokenizer, the digest of config" in said
    assert "the digest of the variant's transcript" in said


@pytest.mark.parametrize("name", ["references", "transcript"])
def test_a_transcript_that_was_altered_on_disk_is_noticed(name: str, tracking: Tracking) -> None:
    evidence = evidence_of(Sample(), tracking.store)
    given = getattr(evidence, name)
    transcript: JudgedTranscript = given[0] if isinstance(given, tuple) else given
    (transcript.folder / "transcript.jsonl").write_text("another answer\n")
    assert_refused(evidence, tracking)


def test_a_recipe_that_takes_nothing_from_a_corpus_needs_none(tracking: Tracking) -> None:
    evidence = evidence_of(replace(Sample(), corpus=None), tracking.store)
    assert evidence.variant.recipe.calibration is Calibration.NONE
    assert record(evidence, tracking, open_registry=MemoryRegistry().open).version == "1"


def test_what_did_not_pass_is_recorded_with_what_there_is(tracking: Tracking) -> None:
    evidence = evidence_of(replace(Sample(), decision=Decision.FAIL), tracking.store)
    never_asked = replace(evidence, transcript=None)
    assert record(never_asked, tracking, open_registry=MemoryRegistry().open).version is None
