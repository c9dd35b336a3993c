"""Look-ups: the smallest variant that passed and fits, or what there is instead."""

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.sealed import seal
from quantgate.pipelines.files.store import Store
from quantgate.registry import (
    Evidence,
    Tracking,
    check_model_name,
    check_suite_name,
    lookup,
    parse_size,
    record,
    verify,
)
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.facts import PASSED, from_tags, to_tags
from quantgate.registry.lineage_tag import filter_of
from quantgate.registry.questions.lineages import trace
from quantgate.registry.questions.lookups import find
from quantgate.registry.questions.versions import RegisteredVersion
from quantgate.registry.questions.wishes import LookupRequest
from tests.support.models.foreign import planned, write_quant
from tests.support.registered.registries import (
    SUITE,
    MemoryRegistry,
    Sample,
    evidence_of,
    other_digest,
    tracking_in,
)

MODEL = "support-llama"
SAMPLES = (
    Sample(recipe="Q8_0", size_bytes=8000, corpus=None),
    Sample(recipe="Q4_K_M--imatrix", size_bytes=4000),
    Sample(
        recipe="W4A16--gptq",
        size_bytes=5000,
        engine="transformers",
        format=Format.COMPRESSED_TENSORS,
    ),
    Sample(recipe="Q2_K", size_bytes=2000, decision=Decision.FAIL, broke=90),
)


@pytest.fixture
def mlflow(tracking: Tracking) -> MemoryRegistry:
    registry = MemoryRegistry()
    for sample in SAMPLES:
        record(evidence_of(sample, tracking.store), tracking, open_registry=registry.open)
    return registry


def test_the_smallest_passing_variant_is_found(tracking: Tracking, mlflow: MemoryRegistry) -> None:
    found = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    assert (found.facts.recipe, found.version) == ("Q4_K_M--imatrix", "2")
    assert found.aliases == ("support-desk",)
    assert found.uri == "models:/support-llama/2"
    assert found.is_here
    verify(found)


def test_of_equal_sizes_the_one_judged_with_a_full_cache_is_found(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    sample = Sample(recipe="Q4_K_M", size_bytes=4000)
    plain = evidence_of(sample, tracking.store)
    recipe = plain.variant.recipe
    written = replace(
        recipe, name="Q4_K_M--kv_q8_0", numerics=replace(recipe.numerics, kv_cache="KV8")
    )
    reduced = evidence_of(replace(sample, written=written), tracking.store)
    record(plain, tracking, open_registry=mlflow.open)
    record(reduced, tracking, open_registry=mlflow.open)
    found = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    assert found.facts.recipe == "Q4_K_M", "the newest of those with a full cache"


@pytest.mark.parametrize(
    ("wish", "recipe"),
    [
        ({"runtime": "transformers"}, "W4A16--gptq"),
        ({"runtime": "llamacpp"}, "Q4_K_M--imatrix"),
        ({"format": "Compressed-Tensors"}, "W4A16--gptq"),
        ({"max_size_bytes": 4000}, "Q4_K_M--imatrix"),
        ({"suite": "support-desk"}, "Q4_K_M--imatrix"),
    ],
)
def test_wishes_narrow_the_choice(
    tracking: Tracking, mlflow: MemoryRegistry, wish: dict[str, str], recipe: str
) -> None:
    wanted = replace(LookupRequest(model=MODEL), **wish)  # type: ignore[arg-type]
    assert find(wanted, tracking, open_reader=mlflow.open_reader).facts.recipe == recipe


def test_where_nothing_fits_it_says_what_there_is(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    wanted = LookupRequest(model=MODEL, max_size_bytes=3000)
    with pytest.raises(
        NotFoundError, match=r"(?s)at most 3,000 bytes.*Q4_K_M--imatrix.*4,000 bytes"
    ):
        find(wanted, tracking, open_reader=mlflow.open_reader)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (
            {"suite": "supportdesk"},
            "no suite 'supportdesk' among them \\(did you mean support-desk",
        ),
        ({"runtime": "lama.ccp"}, r"no runtime 'lama.ccp' among them \(did you mean llama\.cpp"),
        ({"kv": "q4_0"}, "no KV cache 'q4_0' among them \\(there are: f16"),
    ],
)
def test_a_name_that_no_version_has_is_answered_with_the_one_that_may_be_meant(
    tracking: Tracking, mlflow: MemoryRegistry, wish: dict[str, str], said: str
) -> None:
    wanted = replace(LookupRequest(model=MODEL), **wish)  # type: ignore[arg-type]
    with pytest.raises(NotFoundError, match=said):
        find(wanted, tracking, open_reader=mlflow.open_reader)
    alias = f"{MODEL}@supportdesk"
    with pytest.raises(NotFoundError, match=r"no such alias; did you mean support-desk\?"):
        trace(alias, tracking, open_reader=mlflow.open_reader)


def test_a_whole_reference_is_no_name_of_a_model(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    with pytest.raises(InputError) as refused:
        find(LookupRequest(model=f"{MODEL}@desk"), tracking, open_reader=mlflow.open_reader)
    assert f"look it up by suite ({MODEL} --suite desk)" in str(refused.value.next_step)


def test_an_alias_that_somebody_pointed_at_another_programs_version_is_said(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    mlflow.create_version(MODEL, "run9", {"theirs": "yes"})
    mlflow.point_alias(MODEL, "support-desk", "4")
    found = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    assert found.version == "2"
    (passed,) = found.passed_over
    assert not passed.altered
    assert str(passed).startswith(f"models:/{MODEL}/4 is not returned: @support-desk points at it")


def test_an_unknown_model_is_answered_with_the_one_that_may_be_meant(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    with pytest.raises(NotFoundError, match=r"did you mean support-llama\?"):
        find(LookupRequest(model="Suport-llama"), tracking, open_reader=mlflow.open_reader)


def test_a_model_like_no_other_is_answered_with_those_that_there_are(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    with pytest.raises(NotFoundError, match="there are: support-llama"):
        find(LookupRequest(model="other"), tracking, open_reader=mlflow.open_reader)


def test_a_look_up_does_not_create_a_database(tmp_path: Path) -> None:
    tracking = tracking_in(tmp_path / "nowhere")
    with pytest.raises(NotFoundError, match="nothing is registered yet"):
        find(LookupRequest(model=MODEL), tracking, open_reader=MemoryRegistry().open_reader)
    assert not (tmp_path / "nowhere").exists()


def test_two_suites_have_to_be_told_apart(tracking: Tracking, mlflow: MemoryRegistry) -> None:
    other = replace(SUITE, name="refunds", digest=other_digest("refunds"))
    sample = Sample(recipe="Q8_0", size_bytes=8000, suite=other)
    record(evidence_of(sample, tracking.store), tracking, open_registry=mlflow.open)
    with pytest.raises(InputError, match="refunds, support-desk"):
        find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    found = find(
        LookupRequest(model=MODEL, suite="refunds"), tracking, open_reader=mlflow.open_reader
    )
    assert found.facts.suite_name == "refunds"


def test_a_smaller_variant_of_an_older_base_is_not_the_answer(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    newer = Sample(recipe="Q8_0", size_bytes=8000, base="newer")
    record(evidence_of(newer, tracking.store), tracking, open_registry=mlflow.open)
    found = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    assert found.facts.source.startswith("org/newer@")


def test_a_version_registered_by_hand_is_passed_over(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    mlflow.create_version(MODEL, "", {"verdict": "pass", "size_bytes": "1"})
    assert find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader).version == "2"
    with pytest.raises(InputError, match="was not registered by quantgate"):
        trace(f"{MODEL}/4", tracking, open_reader=mlflow.open_reader)


def test_lineage_answers_for_the_corpus_in_its_first_line(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    lineage = trace(f"{MODEL}@support-desk", tracking, open_reader=mlflow.open_reader)
    first, *chain = lineage.describe().splitlines()
    assert "calibration corpus support-traffic@1 (sha256 " in first
    kinds = [step.kind for step in lineage.steps]
    order = ["base weights", "calibration corpus", "recipe", "toolchain", "variant", "suite"]
    assert [kind for kind in kinds if kind in order] == order
    assert kinds[-1] == "verdict"
    assert len(chain) == len(kinds)
    assert any(step.digest == lineage.found.facts.digests.corpus for step in lineage.steps)


def test_lineage_of_an_uncalibrated_variant_says_so(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    lineage = trace(f"models:/{MODEL}/1", tracking, open_reader=mlflow.open_reader)
    assert lineage.answer.endswith("was quantized without a calibration corpus.")


def foreign_evidence(folder: Path, tracking: Tracking) -> Evidence:
    """Evidence of a quant that somebody else made."""
    said = {"quantize.imatrix.dataset": "calibration_v3.txt"}
    (recipe,) = planned(write_quant(folder / "q.gguf", dict(said)), store=tracking.store)
    return evidence_of(Sample(size_bytes=100, corpus=None, written=recipe), tracking.store)


def test_lineage_of_a_quant_of_others_says_that_its_calibration_is_unknown(
    tracking: Tracking, mlflow: MemoryRegistry, tmp_path: Path
) -> None:
    evidence = foreign_evidence(tmp_path, tracking)
    record(evidence, tracking, open_registry=mlflow.open)
    lineage = trace(f"{MODEL}@support-desk", tracking, open_reader=mlflow.open_reader)
    file = tmp_path / "q.gguf"
    assert f"was made by somebody else, found at {file}; calibration unknown" in lineage.answer
    assert "claims general.file_type: Q8_0" in lineage.answer
    assert "quantize.imatrix.dataset: calibration_v3.txt" in lineage.answer
    steps = {step.kind: step for step in lineage.steps}
    assert (steps["calibration corpus"].name, steps["calibration corpus"].digest) == (
        "unknown",
        "none",
    )
    assert (steps["found at"].name, steps["found at"].digest) == (str(file), file_digest(file))


def test_a_quant_of_others_is_looked_up_like_any_other_and_found_by_its_tag(
    tracking: Tracking, mlflow: MemoryRegistry, tmp_path: Path
) -> None:
    record(foreign_evidence(tmp_path, tracking), tracking, open_registry=mlflow.open)
    smallest = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    assert smallest.facts.origin.is_foreign
    (version,) = mlflow.versions(MODEL, filter_of(origin="foreign"))
    assert version.number == smallest.version
    assert version.tags["origin_sha256"] == file_digest(tmp_path / "q.gguf")
    assert version.tags["corpus"] == "unknown"


def test_a_quant_of_others_found_elsewhere_is_the_same_version(
    tracking: Tracking, mlflow: MemoryRegistry, tmp_path: Path
) -> None:
    first = foreign_evidence(tmp_path, tracking)
    (tmp_path / "moved").mkdir()
    moved = foreign_evidence(tmp_path / "moved", tracking)
    assert first.key == moved.key
    recorded = [record(each, tracking, open_registry=mlflow.open) for each in (first, moved)]
    assert recorded[0].version == recorded[1].version
    found_at = trace(MODEL, tracking, open_reader=mlflow.open_reader).found.facts.origin.source
    assert found_at == str(tmp_path / "moved" / "q.gguf")


def test_a_bare_name_means_its_only_alias(tracking: Tracking, mlflow: MemoryRegistry) -> None:
    assert trace(MODEL, tracking, open_reader=mlflow.open_reader).found.version == "2"


def test_an_unknown_alias_is_answered_with_the_known_ones(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    with pytest.raises(NotFoundError, match="versions: 1, 2, 3; aliases: @support-desk -> 2"):
        trace(f"{MODEL}@champion", tracking, open_reader=mlflow.open_reader)


@pytest.mark.parametrize("reference", ["", "a@", "a/one", "a:b", "a/"])
def test_a_malformed_reference_is_refused(tracking: Tracking, reference: str) -> None:
    with pytest.raises(InputError):
        trace(reference, tracking, open_reader=MemoryRegistry().open_reader)


def test_verify_names_the_file_that_was_altered(tracking: Tracking, mlflow: MemoryRegistry) -> None:
    found = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    content = bytearray(found.artifact.read_bytes())
    content[7] ^= 1
    found.artifact.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.gguf: a sealed file was altered"):
        verify(found)


def test_verify_notices_a_manifest_rewritten_to_match_altered_bytes(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    found = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    content = bytearray(found.artifact.read_bytes())
    content[7] ^= 1
    found.artifact.write_bytes(content)
    (found.folder / "manifest.json").unlink()
    seal(found.folder, {"artifact": "model.gguf"})
    with pytest.raises(InputError, match="not the one that was registered"):
        verify(found)


def test_facts_survive_their_tags(tracking: Tracking) -> None:
    facts = version_facts(evidence_of(Sample(corpus=None), tracking.store))
    assert from_tags(to_tags(facts), "here") == facts
    assert Decision.PASS.value == PASSED


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("6GB", 6_000_000_000),
        ("6 GiB", 6 * 2**30),
        ("1.5mb", 1_500_000),
        ("512MiB", 512 * 2**20),
        ("4000", 4000),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "six", "6 gigs", "-1GB", "0", "1e9", "GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    "name", ["", " a", "org/model", "a:b", "a@b", "it's", "a\nb", "..", "x" * 251]
)
def test_model_names_that_mlflow_refuses_are_refused_first(name: str) -> None:
    with pytest.raises(InputError):
        check_model_name(name)


def test_a_refused_model_name_comes_with_one_that_would_do() -> None:
    with pytest.raises(InputError, match="name: org-model"):
        check_model_name("org/model")


@pytest.mark.parametrize("name", ["latest", "v3", "V12", "a b", "a.b", ""])
def test_suite_names_that_cannot_be_an_alias_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        check_suite_name(name)


@pytest.mark.parametrize(
    "uri",
    [
        *("file:///tmp/mlruns", "/tmp/mlruns", "mlruns", "ftp://x", "sqlite://"),
        *("http://", "http://[::1", "http://host:port", "http://a b", "postgresql://u@h:x/db"),
    ],
)
def test_a_tracking_uri_that_holds_no_registry_is_refused(tmp_path: Path, uri: str) -> None:
    with pytest.raises(InputError):
        Tracking.resolve(tracking_in(tmp_path).store, uri=uri)


def test_the_tracking_uri_is_taken_from_argument_then_environment_then_store(
    tmp_path: Path,
) -> None:
    store = tracking_in(tmp_path).store
    environment = {"MLFLOW_TRACKING_URI": "http://user:secret@mlflow.test:5000"}
    assert Tracking.resolve(store, environment={}).uri == f"sqlite:///{tmp_path}/mlflow.db"
    served = Tracking.resolve(store, environment=environment)
    assert served.shown == "http://user:***@mlflow.test:5000"
    assert served.artifact_root is None
    asked = Tracking.resolve(store, uri=f"sqlite:///{tmp_path}/a.db", environment=environment)
    assert asked.artifact_root == tmp_path / "mlflow-artifacts"


@pytest.mark.parametrize(
    "spelling",
    ["http://mlflow.test:5000/", " http://mlflow.test:5000 ", "http://mlflow.test:5000/#/models/a",
     "http://ada:secret@mlflow.test:5000/", "HTTP://mlflow.test:5000//"],
)  # fmt: skip
def test_one_server_is_one_registry_however_its_address_is_written(
    tmp_path: Path, spelling: str
) -> None:
    store = tracking_in(tmp_path).store
    plain = Tracking.resolve(store, uri="http://mlflow.test:5000")
    asked = Tracking.resolve(store, uri=spelling)
    assert asked.is_server
    assert (asked.address, asked.key) == (plain.address, plain.key)


@pytest.mark.parametrize(
    "uri", ["http://ada:se cret@host", "http://ada:se#cret@h", "postgres://ada:se@h/x"]
)
def test_an_address_that_is_none_is_shown_without_what_may_be_a_password(
    tmp_path: Path, uri: str
) -> None:
    with pytest.raises(InputError) as refused:
        Tracking.resolve(tracking_in(tmp_path).store, uri=uri)
    assert "ada" not in str(refused.value)
    assert "***@h" in str(refused.value)


def test_importing_the_look_up_imports_neither_mlflow_nor_pydantic() -> None:
    code = (
        "import sys; from quantgate import lookup, lineage; "
        "print([m for m in ('mlflow', 'pydantic', 'yaml', 'numpy') if m in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["quantgate", "quantgate.registry"])
def test_the_example_in_the_packages_docstring_runs(
    name: str, tracking: Tracking, mlflow: MemoryRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    package = importlib.import_module(name)
    assert package.__doc__ is not None
    example = package.__doc__.split("\n\n")[1]
    code = [line[4:] for line in example.splitlines()]
    assert code[0] == f"from {name} import lookup, verify"
    assert package.lookup is lookup
    assert package.verify is verify

    def lookup_here(model: str, *, suite: str, max_size_bytes: int) -> RegisteredVersion:
        wanted = LookupRequest(model=model, suite=suite, max_size_bytes=max_size_bytes)
        return find(wanted, tracking, open_reader=mlflow.open_reader)

    exec("\n".join(code[1:]), {"lookup": lookup_here, "verify": verify})
    assert capsys.readouterr().out.split()[-1] == "pass"


@pytest.mark.parametrize("name", ["ggfu", "", "Q4_K_M"])
def test_a_format_that_there_is_none_of_is_refused_and_not_looked_up(
    tracking: Tracking, mlflow: MemoryRegistry, name: str
) -> None:
    with pytest.raises(InputError, match="there is no format") as caught:
        find(LookupRequest(model=MODEL, format=name), tracking, open_reader=mlflow.open_reader)
    assert "gguf, compressed-tensors, awq, gptq" in str(caught.value)


def test_the_bases_own_accuracy_stands_beside_a_pass_and_warns_where_it_is_low(
    tmp_path: Path,
) -> None:
    facts = version_facts(evidence_of(SAMPLES[0], Store(root=tmp_path)))
    assert facts.reference_accuracy is not None
    assert facts.accuracy is not None
    told = replace(facts, accuracy=0.61, reference_accuracy=0.62)
    assert told.base_warning == "the base itself gets 62.0% of the items right: a pass says little"
    assert replace(told, reference_accuracy=0.8).base_warning is None
    tags = to_tags(told)
    assert tags["base_warning"] == told.base_warning
    assert from_tags(tags, "here") == told


def test_numbers_are_kept_unrounded_so_that_every_place_rounds_them_alike(tmp_path: Path) -> None:
    facts = version_facts(evidence_of(SAMPLES[0], Store(root=tmp_path)))
    kept = from_tags(to_tags(replace(facts, reference_accuracy=457 / 468)), "here")
    assert kept.reference_accuracy == 457 / 468
    assert f"{kept.reference_accuracy:.1%}" == f"{457 / 468:.1%}" == "97.6%"


def test_a_version_registered_before_accuracies_were_is_still_read(tmp_path: Path) -> None:
    facts = version_facts(evidence_of(SAMPLES[0], Store(root=tmp_path)))
    younger = ("accuracy", "reference_accuracy", "file_bits_per_weight", "base_warning")
    older = {name: value for name, value in to_tags(facts).items() if name not in younger}
    assert from_tags(older, "here").reference_accuracy is None


def test_one_version_from_before_manifests_had_a_digest_keeps_no_look_up_from_its_answer(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    first = mlflow.models[MODEL]["1"]
    tags = {name: value for name, value in first.tags.items() if name != "manifest_digest"}
    oldest = mlflow.models[MODEL]["1"] = replace(first, tags=tags)
    found = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    assert found.version == "2"
    with pytest.raises(InputError, match="not the one that was registered"):
        verify(replace(found, facts=from_tags(oldest.tags, "1")))
