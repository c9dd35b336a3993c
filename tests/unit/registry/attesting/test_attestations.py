"""Attestations: what they say, in whose formats, and that a byte altered anywhere is noticed."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.sealed import Manifest, read_manifest
from quantgate.pipelines.files.store import Store
from quantgate.registry import RegisteredVersion
from quantgate.registry.attesting.attestation import attest
from quantgate.registry.attesting.signing import (
    check_signature,
    create_key,
    fingerprint,
    public_key,
)
from quantgate.registry.attesting.verification import check_attestation, signers, store_attestations
from quantgate.registry.evidence_facts import version_facts
from tests.support.registered.registries import Sample, evidence_of


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "store")


@pytest.fixture
def version(store: Store) -> RegisteredVersion:
    facts = version_facts(evidence_of(Sample(), store))
    return RegisteredVersion(
        model="support-llama", version="3", aliases=(), run_id="r", facts=facts
    )


@pytest.fixture
def key(tmp_path: Path) -> Path:
    create_key(tmp_path / "keys" / "mine")
    return tmp_path / "keys" / "mine"


def files_of(version: RegisteredVersion) -> Mapping[str, Digest]:
    manifest: Manifest[object] = read_manifest(version.folder, object)
    return {file.path: file.sha256 for file in manifest.files}


def test_an_attestation_says_what_a_version_was_made_from_and_judged_by(
    store: Store, version: RegisteredVersion, key: Path
) -> None:
    folder = attest(version, store, key, "0.1.0")
    statement = json.loads((folder / "statement" / "provenance.json").read_bytes())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    named = {each["name"]: each["digest"]["sha256"] for each in statement["subject"]}
    assert named == files_of(version)
    built = statement["predicate"]["buildDefinition"]
    assert [each["name"].partition(":")[0] for each in built["resolvedDependencies"]] == [
        "base", "corpus", "recipe", "toolchain", "suite", "policy",
    ]  # fmt: skip
    assert built["resolvedDependencies"][4]["digest"] == {
        "quantgateSha256": version.facts.digests.suite
    }
    assert built["internalParameters"]["verdict"] == "pass"
    assert str(store.root) not in json.dumps(statement)


def test_the_bill_is_cyclonedx_with_a_model_card_and_every_file(
    store: Store, version: RegisteredVersion, key: Path
) -> None:
    folder = attest(version, store, key, "0.1.0")
    bill = json.loads((folder / "statement" / "mlbom.json").read_bytes())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    root = bill["metadata"]["component"]
    assert root["type"] == "machine-learning-model"
    accuracy = root["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]
    assert accuracy["value"] == f"{version.facts.accuracy:.6f}"
    files = {
        each["name"]: each["hashes"][0]["content"]
        for each in bill["components"]
        if each["type"] == "file"
    }
    assert files == files_of(version)
    references = {each["bom-ref"] for each in bill["components"]}
    assert {each["ref"] for each in root["modelCard"]["modelParameters"]["datasets"]} <= references


def test_it_is_made_once_for_each_key(store: Store, version: RegisteredVersion, key: Path) -> None:
    first = attest(version, store, key, "0.1.0")
    assert attest(version, store, key, "0.1.0") == first
    create_key(key.with_name("other"))
    other = attest(version, store, key.with_name("other"), "0.1.0")
    assert other != first
    place = store_attestations(store, version.facts.evidence_key)
    found = signers(place, version.facts.evidence_key, files_of(version))
    assert set(found) == {fingerprint(public_key(each)) for each in (key, key.with_name("other"))}


def test_a_key_that_is_trusted_has_to_have_signed(
    store: Store, version: RegisteredVersion, key: Path
) -> None:
    place = store_attestations(store, version.facts.evidence_key)
    asked = version.facts.evidence_key, files_of(version)
    public, other = key.with_name("mine.pub"), create_key(key.with_name("other"))
    with pytest.raises(InputError, match="no attestation by the key"):
        signers(place, *asked, public)
    folder = attest(version, store, key, "0.1.0")
    assert signers(place, *asked, public) == (fingerprint(public.read_bytes()),)
    with pytest.raises(InputError, match="no attestation by the key"):
        signers(place, *asked, other)
    renamed = place / fingerprint(other.read_bytes())[:16]
    shutil.copytree(folder, renamed)
    with pytest.raises(InputError, match="the signature does not hold"):
        signers(place, *asked, other)


def test_a_byte_that_was_altered_in_any_file_is_noticed(
    store: Store, version: RegisteredVersion, key: Path
) -> None:
    folder = attest(version, store, key, "0.1.0")
    asked = version.facts.evidence_key, files_of(version)
    for path in [each for each in folder.rglob("*") if each.is_file()]:
        content = path.read_bytes()
        for place in range(0, len(content), max(1, len(content) // 5)):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            with pytest.raises(InputError):
                check_attestation(folder, *asked)
        path.write_bytes(content)
    check_attestation(folder, *asked)


def test_a_statement_about_something_else_is_refused(
    store: Store, version: RegisteredVersion, key: Path
) -> None:
    folder = attest(version, store, key, "0.1.0")
    files = files_of(version)
    with pytest.raises(InputError, match="about other files"):
        check_attestation(folder, version.facts.evidence_key, {**files, "more": Digest("0" * 64)})
    with pytest.raises(InputError, match="another verdict"):
        check_attestation(folder, "0" * 64, files)


def test_the_signature_over_the_files_is_one_that_model_signing_reads(
    store: Store, version: RegisteredVersion, key: Path
) -> None:
    folder = attest(version, store, key, "0.1.0")
    check_signature(version.folder, folder / "files.sig", folder / "key.pub")
    version.artifact.write_bytes(b"?" + version.artifact.read_bytes()[1:])
    with pytest.raises(InputError, match=r"model\.gguf"):
        check_signature(version.folder, folder / "files.sig", folder / "key.pub")


def test_files_that_were_altered_are_not_attested(
    store: Store, version: RegisteredVersion, key: Path
) -> None:
    version.artifact.write_bytes(b"?" + version.artifact.read_bytes()[1:])
    with pytest.raises(InputError, match="altered"):
        attest(version, store, key, "0.1.0")
    assert [*store_attestations(store, version.facts.evidence_key).glob("[!.]*")] == []
    elsewhere = replace(version, facts=replace(version.facts, location="/nowhere"))
    with pytest.raises(InputError, match="not on this machine"):
        attest(elsewhere, store, key, "0.1.0")


def test_keys_are_private_and_never_replaced(key: Path, tmp_path: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(InputError, match="is there already"):
        create_key(key)
    with pytest.raises(InputError, match="there is no such key"):
        public_key(tmp_path / "none")
    (tmp_path / "text").write_text("no key")
    with pytest.raises(InputError, match="no private key"):
        public_key(tmp_path / "text")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"is a pipe \(FIFO\), not a file"):
        public_key(tmp_path / "pipe")


def test_half_a_key_does_not_stand_in_the_way_of_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(Path, "write_bytes", full)
        create_key(tmp_path / "key")
    assert [*tmp_path.iterdir()] == []
    create_key(tmp_path / "key")


def test_the_bill_obeys_the_official_schema(
    store: Store, version: RegisteredVersion, key: Path
) -> None:
    bill = attest(version, store, key, "0.1.0") / "statement" / "mlbom.json"
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill.read_text())
    assert problem is None, problem
