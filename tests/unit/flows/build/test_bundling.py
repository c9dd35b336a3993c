"""Bundles of a build with fakes at its seams: written, checked elsewhere, and every byte of them altered."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.bundling import find_build, own_variables, write_bundle
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan_files import write_plan
from quantgate.flows.build.timing.speeds import time_beside_base
from quantgate.flows.build.verdicts import evidence
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.records import read_json
from quantgate.pipelines.files.sealed import seal
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.suites.digest import suite_digest
from quantgate.registry import RegisteredVersion
from quantgate.registry.attesting.attestation import attest
from quantgate.registry.attesting.signing import create_key, fingerprint
from quantgate.registry.attesting.verification import signers
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.proofs.archive import unpack_archive, write_archive
from quantgate.registry.proofs.bundle import EVIDENCE, REGISTERED, read_bundle_record
from quantgate.registry.proofs.checking import BundleProof
from quantgate.registry.proofs.checking import check_bundle as check_with
from quantgate.registry.tags import NONE
from tests.support.builds.faked import faked_build
from tests.support.builds.faked import suite as exam
from tests.support.builds.metered import metered
from tests.support.builds.walking import judged
from tests.support.fakes import FakeBackend, FakeRuntime


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> LocalBuild:
    folder = tmp_path_factory.mktemp("build")
    here = faked_build(folder, FakeBackend(), FakeRuntime(wrong={"Q8_0": {"i3"}}))
    suite = exam(60)
    suite = replace(suite, digest=suite_digest(suite, {}))
    here = replace(here, plan=replace(here.plan, suite=suite))
    write_plan(here.plan, here.settings.store)
    units.build_files(here, here.plan.variants[0])
    judged(here, here.plan.variants[0])
    return here


@pytest.fixture(scope="module")
def version(build: LocalBuild) -> RegisteredVersion:
    facts = version_facts(evidence(build, build.plan.variants[0]))
    return RegisteredVersion(model="demo", version="1", aliases=(), run_id="r", facts=facts)


@pytest.fixture(scope="module")
def bundle(
    build: LocalBuild, version: RegisteredVersion, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "demo.bundle"
    plan, planned = find_build(version, build.settings.store)
    assert plan == build.plan
    write_bundle(build, planned, version, path, own_variables(plan.suite, {}))
    return path


def check_bundle(path: Path) -> BundleProof:
    return check_with(path, lambda folder, evidence_key, files: None)


def unpacked(bundle: Path, folder: Path) -> Path:
    folder.mkdir()
    unpack_archive(bundle, folder)
    return folder


def resealed(folder: Path, path: Path) -> Path:
    """A forger's work: what was altered gets new digests."""
    record = read_json(folder / "manifest.json")["record"]
    (folder / "manifest.json").unlink()
    seal(folder, record)
    write_archive(folder, path)
    return path


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def test_a_bundle_proves_its_verdict_where_nothing_else_is(
    build: LocalBuild, bundle: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone.bundle"
    shutil.copyfile(bundle, alone)
    proof = check_bundle(alone)
    own = evidence(build, build.plan.variants[0])
    assert (proof.decision, proof.items, proof.runs) == ("pass", 60, 3)
    assert (proof.evidence_key, proof.files_digest) == (own.key, own.variant.files_digest)
    assert proof.other_code is None


def test_the_same_version_makes_the_same_bytes(
    build: LocalBuild, version: RegisteredVersion, bundle: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.bundle"
    write_bundle(build, build.plan.variants[0], version, again, {})
    assert again.read_bytes() == bundle.read_bytes()


def test_a_timed_version_is_proved_also_where_other_threads_are_set(
    build: LocalBuild, version: RegisteredVersion, tmp_path: Path
) -> None:
    """As in another shell, or on another machine that shares the store: a timing is known by both."""
    timed, _ = metered(build)
    first = timed.plan.variants[0]
    time_beside_base(timed, first)
    registered = replace(version, facts=version_facts(evidence(timed, first)))
    settings = replace(build.settings, workers=build.settings.workers + 3)
    elsewhere = replace(timed, settings=settings)
    assert evidence(elsewhere, first).speed is None
    path = tmp_path / "timed.bundle"
    proof = write_bundle(elsewhere, first, registered, path, {})
    assert proof.evidence_key == registered.facts.evidence_key
    assert check_bundle(path).decision == "pass"


def test_no_path_of_the_machine_is_in_it(build: LocalBuild, bundle: Path) -> None:
    store = str(build.settings.store.root).encode()
    assert store not in bundle.read_bytes()


def test_a_byte_that_was_altered_anywhere_is_noticed(bundle: Path, tmp_path: Path) -> None:
    content = bundle.read_bytes()
    altered = tmp_path / "altered.bundle"
    for place in (*range(0, len(content), max(1, len(content) // 150)), len(content) - 1, 156, 500):
        changed = bytearray(content)
        changed[place] ^= 1
        altered.write_bytes(changed)
        with pytest.raises(InputError) as refused:
            check_bundle(altered)
        assert refused.value.where == str(altered), place
        assert refused.value.next_step, place


@pytest.mark.parametrize("length", [0, 100, 512, 5000, -1, -512])
def test_a_file_that_was_cut_is_refused(bundle: Path, tmp_path: Path, length: int) -> None:
    cut = tmp_path / "cut.bundle"
    cut.write_bytes(bundle.read_bytes()[:length])
    with pytest.raises(InputError, match="no whole bundle"):
        check_bundle(cut)


def test_what_was_added_is_refused(bundle: Path, tmp_path: Path) -> None:
    longer = tmp_path / "longer.bundle"
    longer.write_bytes(bundle.read_bytes() + b"\0")
    with pytest.raises(InputError, match="something was added"):
        check_bundle(longer)
    folder = unpacked(bundle, tmp_path / "content")
    (folder / "zzz").write_text("more")
    write_archive(folder, longer)
    with pytest.raises(InputError, match=r"added to a sealed folder.*zzz"):
        check_bundle(longer)


@pytest.mark.parametrize(
    ("file", "before", "after", "problem"),
    [
        (EVIDENCE, '"broke": 1', '"broke": 0', r"broke: 0 recorded, 1 from the transcripts"),
        (EVIDENCE, '"max_break_rate": 0.1', '"max_break_rate": 0.5', "do not give the verdict"),
        (EVIDENCE, '"expected": "right"', '"expected": "else"', "not the one that its digest names"),
        (REGISTERED, '"accuracy": "0.98', '"accuracy": "0.99', "accuracy: 0.99.* registered, 0.98"),
        (REGISTERED, '"scheme": "Q8_0"', '"scheme": "F16"', "scheme: F16 registered, Q8_0 judged"),
        (REGISTERED, '"model": "demo"', '"model": "else"', "model: else registered, demo judged"),
        (REGISTERED, '"scheme":', '"other":', "scheme: nothing registered, Q8_0 judged"),
    ],
)  # fmt: skip
def test_a_forger_who_renews_the_digests_is_found_by_the_transcripts(
    bundle: Path, tmp_path: Path, file: str, before: str, after: str, problem: str
) -> None:
    folder = unpacked(bundle, tmp_path / "content")
    edit(folder / file, before, after)
    with pytest.raises(InputError, match=problem) as refused:
        check_bundle(resealed(folder, tmp_path / "forged.bundle"))
    assert refused.value.next_step


def test_registered_facts_that_were_left_out_are_missed(bundle: Path, tmp_path: Path) -> None:
    folder = unpacked(bundle, tmp_path / "content")
    document = json.loads((folder / REGISTERED).read_text())
    document["tags"] = {}
    (folder / REGISTERED).write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"not follow from the evidence: .* nothing registered"):
        check_bundle(resealed(folder, tmp_path / "forged.bundle"))


def test_facts_that_older_versions_lack_may_be_left_out(bundle: Path, tmp_path: Path) -> None:
    folder = unpacked(bundle, tmp_path / "content")
    document = json.loads((folder / REGISTERED).read_text())
    older = {"decode", "accuracy", "base_warning"}
    document["tags"] = {n: text for n, text in document["tags"].items() if n not in older}
    (folder / REGISTERED).write_text(json.dumps(document))
    assert check_bundle(resealed(folder, tmp_path / "older.bundle")).decision == "pass"


def test_a_transcript_that_was_exchanged_is_refused(bundle: Path, tmp_path: Path) -> None:
    folder = unpacked(bundle, tmp_path / "content")
    shutil.rmtree(folder / "runs" / "variant")
    shutil.copytree(folder / "runs" / "reference-1", folder / "runs" / "variant")
    with pytest.raises(InputError, match="the variant's run is not the one that was judged"):
        check_bundle(resealed(folder, tmp_path / "forged.bundle"))


def test_a_reference_that_was_left_out_is_missed(bundle: Path, tmp_path: Path) -> None:
    folder = unpacked(bundle, tmp_path / "content")
    shutil.rmtree(folder / "runs" / "reference-2")
    manifest = folder / "manifest.json"
    document = json.loads(manifest.read_text())
    document["record"]["references"] = 1
    manifest.write_text(json.dumps(document))
    with pytest.raises(InputError, match="as many runs of the base as its policy asks for"):
        check_bundle(resealed(folder, tmp_path / "forged.bundle"))


def test_names_that_lead_out_of_the_folder_are_refused(bundle: Path, tmp_path: Path) -> None:
    import tarfile

    hostile = tmp_path / "hostile.bundle"
    entry = tarfile.TarInfo("../outside")
    hostile.write_bytes(entry.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))
    with pytest.raises(InputError, match="no name of a file"):
        check_bundle(hostile)
    assert not (tmp_path / "outside").exists()


def test_a_bundle_of_a_later_format_asks_for_its_program(bundle: Path, tmp_path: Path) -> None:
    folder = unpacked(bundle, tmp_path / "content")
    assert read_bundle_record(folder).format == 1
    edit(folder / "manifest.json", '"format": 1', '"format": 2')
    with pytest.raises(InputError, match="no bundle that this version"):
        check_bundle(resealed(folder, tmp_path / "later.bundle"))


def test_a_version_that_was_registered_otherwise_gets_no_bundle(
    build: LocalBuild, version: RegisteredVersion, tmp_path: Path
) -> None:
    other = replace(version, facts=replace(version.facts, accuracy=1.0))
    path = tmp_path / "other.bundle"
    with pytest.raises(InputError, match="do not follow from the evidence: accuracy"):
        write_bundle(build, build.plan.variants[0], other, path, {})
    assert not path.exists()


def test_a_version_of_another_store_is_named(build: LocalBuild, version: RegisteredVersion) -> None:
    digests = replace(version.facts.digests, variant_key="0" * 64)
    other = replace(version, facts=replace(version.facts, digests=digests))
    with pytest.raises(InputError, match="no build of this store judged models:/demo/1"):
        find_build(other, build.settings.store)


def test_a_build_of_the_same_variant_under_another_name_is_another_one(
    build: LocalBuild, version: RegisteredVersion, tmp_path: Path
) -> None:
    store = Store(root=tmp_path / "store")
    renamed = replace(build.plan, checkpoint=replace(build.plan.checkpoint, name="another"))
    for plan in (renamed, build.plan):
        write_plan(plan, store)
    assert find_build(version, store)[0].checkpoint.name == "demo"
    assert find_build(replace(version, model="another"), store)[0].checkpoint.name == "another"
    with pytest.raises(InputError, match="no build of this store judged"):
        find_build(replace(version, model="nobody's"), store)


def test_a_build_that_asked_with_other_template_variables_is_another_one(
    build: LocalBuild, version: RegisteredVersion, tmp_path: Path
) -> None:
    store = Store(root=tmp_path / "store")
    suite = replace(build.plan.suite, template_variables={"enable_thinking": False})
    contracts = (*build.plan.contracts, "these variables")
    other = replace(build.plan, suite=suite, contracts=contracts)
    assert other.name != build.plan.name
    for plan in (build.plan, other):
        write_plan(plan, store)
    decode = {**json.loads(version.facts.decode), "template_variables": suite.template_variables}
    thoughtless = replace(version, facts=replace(version.facts, decode=json.dumps(decode)))
    assert find_build(version, store)[0].name == build.plan.name
    assert find_build(thoughtless, store)[0].name == other.name
    before = replace(version, facts=replace(version.facts, decode=NONE))
    assert find_build(before, store)[1].key == version.facts.digests.variant_key


def test_attestations_travel_in_the_bundle_and_are_checked_there(
    build: LocalBuild, version: RegisteredVersion, tmp_path: Path
) -> None:
    key, path = tmp_path / "key", tmp_path / "signed.bundle"
    public, other = create_key(key), create_key(tmp_path / "other")
    attest(version, build.settings.store, key, "0.1.0")
    write_bundle(build, build.plan.variants[0], version, path, {})
    found = list[str]()

    def check(trusted: Path | None) -> None:
        check_with(
            path, lambda place, about, files: found.extend(signers(place, about, files, trusted))
        )

    check(None)
    check(public)
    assert found == 2 * [fingerprint(public.read_bytes())]
    with pytest.raises(InputError, match="no attestation by the key"):
        check(other)
    shutil.rmtree(build.settings.store.root / "attestations")
