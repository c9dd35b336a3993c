"""What a bundle holds, as files of one sealed folder; paths of the machine it was made on are left out."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import Digest, JsonObject
from quantgate.pipelines.files import sealed
from quantgate.pipelines.files.records import read_json, read_record, write_record
from quantgate.registry.evidence import Evidence
from quantgate.registry.facts import to_tags
from quantgate.registry.proofs.archive import SEND_AGAIN
from quantgate.registry.questions.versions import RegisteredVersion
from quantgate.registry.seals import COVERED
from quantgate.registry.tags import NONE

FORMAT = 1
EVIDENCE, REGISTERED, PAGE = "evidence.json", "registered.json", "report.html"
VARIANT = "variant"
TOKENIZER = "tokenizer.json"
ATTESTATIONS = "attestations"
"""Folder of a store, and of a bundle, with attestations by evidence (in a bundle there is one)."""
SHORT_KEY = 16
"""So many digits of an evidence's key name its folder."""
_ASKED = "runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRecord:
    """What a bundle says of itself.

    `references` is how many runs of the base are in it, the primary one first, `variant_runs` how many of the
    variant. `family` has the p-values of all variants of the build, where the policy asks for family-wise
    control. `suite_variables` are the suite's own template variables, without those of a build. `quantgate`
    is the version of this program that wrote it, and `judging` the digest of its code that turns transcripts
    into verdicts.
    """

    format: int
    references: int
    family: Mapping[str, float]
    suite_variables: JsonObject
    quantgate: str
    judging: Digest
    variant_runs: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredFacts:
    """A version as its registry has it: all its facts as tags, paths aside."""

    model: str
    version: str
    run_id: str
    tags: Mapping[str, str]


def reference_run(folder: Path, number: int) -> Path:
    """Return where the base's run of this number (from 1) lies in a bundle."""
    return folder / _ASKED / f"reference-{number}"


def variant_run(folder: Path, number: int = 1) -> Path:
    """Return where the variant's run of this number (from 1) lies in a bundle."""
    return folder / _ASKED / ("variant" if number == 1 else f"variant-{number}")


def placeless(evidence: Evidence) -> Evidence:
    """Return evidence without folders of the machine on which it came to be."""
    variant = evidence.variant
    artifact = variant.artifact.relative_to(variant.folder)
    return replace(
        evidence,
        checkpoint=replace(evidence.checkpoint, folder=Path("checkpoint")),
        suite=replace(evidence.suite, folder=Path("suite")),
        variant=replace(variant, folder=Path("variant"), artifact=Path("variant") / artifact),
        report=None,
        references=tuple(
            replace(transcript, folder=reference_run(Path(), number))
            for number, transcript in enumerate(evidence.references, start=1)
        ),
        transcript=replace(evidence.transcript, folder=variant_run(Path()))
        if evidence.transcript is not None
        else None,
        transcript_repeats=tuple(
            replace(transcript, folder=variant_run(Path(), number))
            for number, transcript in enumerate(evidence.transcript_repeats, start=2)
        ),
        place=NONE,
    )


def write_facts(folder: Path, evidence: Evidence, version: RegisteredVersion) -> None:
    """Write evidence, the registered facts and the variant's manifest, just as it is."""
    write_record(folder / EVIDENCE, placeless(evidence))
    tags = {name: text for name, text in to_tags(version.facts).items() if name in COVERED}
    facts = RegisteredFacts(
        model=version.model, version=version.version, run_id=version.run_id, tags=tags
    )
    write_record(folder / REGISTERED, facts)
    (folder / VARIANT).mkdir()
    shutil.copyfile(evidence.variant.folder / sealed.MANIFEST, folder / VARIANT / sealed.MANIFEST)


def read_bundle_record(folder: Path) -> BundleRecord:
    """Return what an unpacked bundle says of itself, once every file in it has the digest that is said.

    Raises:
        InputError: naming the file that is missing, altered or not in it; or it is of another format.
    """
    path = folder / sealed.MANIFEST
    record = read_json(path).get("record")
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise InputError(
            "is no bundle that this version of quantgate reads",
            where=path.name,
            next_step="install the version that wrote it",
        )
    manifest = sealed.read_manifest(folder, BundleRecord)
    sealed.verify(folder, manifest)
    again = folder / f".{sealed.MANIFEST}"
    write_record(again, manifest)
    same = again.read_bytes() == path.read_bytes()
    again.unlink()
    if not same:
        raise InputError(
            "was edited",
            where=path.name,
            next_step=SEND_AGAIN,
        )
    return manifest.record


def read_evidence(folder: Path) -> Evidence:
    """Return the evidence of an unpacked bundle.

    Raises:
        InputError: it cannot be read.
    """
    return read_record(Evidence, folder / EVIDENCE)


def read_registered(folder: Path) -> RegisteredFacts:
    """Return what was registered.

    Raises:
        InputError: it cannot be read.
    """
    return read_record(RegisteredFacts, folder / REGISTERED)
