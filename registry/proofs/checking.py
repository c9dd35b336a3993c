"""`quantgate verify FILE`: a bundle held against itself, with no store, registry, model or network."""

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files import sealed
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.pipelines.process.calls import RunWorker
from quantgate.pipelines.suites.digest import suite_digest
from quantgate.registry.evidence import Evidence, check_evidence
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.facts import VERSION_TAGS, to_tags
from quantgate.registry.proofs.archive import SEND_AGAIN, unpack_archive
from quantgate.registry.proofs.bundle import (
    ATTESTATIONS,
    VARIANT,
    BundleRecord,
    RegisteredFacts,
    read_bundle_record,
    read_evidence,
    read_registered,
)
from quantgate.registry.proofs.observations import KeptObservations
from quantgate.registry.proofs.rejudging import differences, judging_code, rejudged
from quantgate.registry.seals import COVERED

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleProof:
    """What was proved of a bundle: whose verdict it is, and from how many answers it was made again.

    `evidence_key` identifies the evidence in the registry, `files_digest` the variant's files. `code` says
    whether the verdict was made again by other code than that which wrote the bundle.
    """

    model: str
    version: str
    identifier: str
    suite: str
    decision: str
    items: int
    runs: int
    evidence_key: str
    files_digest: str
    other_code: str | None


CheckSigners = Callable[[Path, str, Mapping[str, Digest]], None]
"""Checks the attestations below a folder: they have to be about this evidence, and these files by sha256."""


def check_bundle(path: Path, check_signers: CheckSigners) -> BundleProof:
    """Prove that a bundle is whole, and that its transcripts give the verdict and the facts that it records.

    Raises:
        InputError: naming what was altered, or in what the verdict differs.
    """
    with temporary_folder() as folder:
        unpack_archive(path, folder)
        with _told_of(path, folder, next_step=SEND_AGAIN):
            record, evidence = read_bundle_record(folder), read_evidence(folder)
            registered = read_registered(folder)
            manifest: sealed.Manifest[object] = sealed.read_manifest(folder / VARIANT, object)
        with _told_of(path, folder):
            kept = KeptObservations(folder, str(folder))
            proof = prove(folder, record, evidence, registered, kept)
            files = {file.path: file.sha256 for file in manifest.files}
            check_signers(folder / ATTESTATIONS, evidence.key, files)
            return proof


def prove(
    folder: Path,
    record: BundleRecord,
    evidence: Evidence,
    registered: RegisteredFacts,
    run_worker: RunWorker,
) -> BundleProof:
    """Judge again, and hold the outcome against what was recorded and registered.

    Raises:
        InputError: as `check_bundle`.
    """
    check_evidence(evidence)
    _require_files(folder, evidence)
    if suite_digest(evidence.suite, record.suite_variables) != evidence.suite.digest:
        raise InputError(
            "the suite is not the one that its digest names",
            where=folder.name,
            next_step=SEND_AGAIN,
        )
    judged = rejudged(folder, evidence, record, run_worker)
    other_code = None if judging_code() == record.judging else record.quantgate
    unequal = differences(evidence, judged.evidence)
    if unequal:
        raise InputError(
            f"its transcripts do not give the verdict that it records: {_listed(unequal)}",
            where=str(folder),
            next_step=f"it was judged by other code: try it with quantgate {other_code}"
            if other_code is not None
            else SEND_AGAIN,
        )
    _require_registered(folder, judged.evidence, registered)
    digests = evidence.variant
    return BundleProof(
        model=registered.model,
        version=registered.version,
        identifier=evidence.variant.identifier,
        suite=f"{evidence.suite.name}@{evidence.suite.version}",
        decision=evidence.verdict.decision.value,
        items=judged.items,
        runs=judged.runs,
        evidence_key=evidence.key,
        files_digest=digests.files_digest,
        other_code=other_code,
    )


def this_version() -> str:
    """Return the version of this program."""
    return importlib.metadata.version("quantgate")


def _require_files(folder: Path, evidence: Evidence) -> None:
    """The list of the variant's files is the one that the evidence names by digest."""
    manifest: sealed.Manifest[object] = sealed.read_manifest(folder / VARIANT, object)
    named = evidence.variant.files_digest, evidence.variant.manifest_digest
    if (manifest.files_digest, manifest.digest) != named:
        raise InputError(
            "the list of the variant's files is another one",
            where=VARIANT,
            next_step=SEND_AGAIN,
        )


def _require_registered(folder: Path, judged: Evidence, registered: RegisteredFacts) -> None:
    """The facts that the registry has follow from the evidence; none is left out that each version has."""
    facts, held = to_tags(version_facts(judged)), registered.tags
    pairs = [("model", registered.model, judged.model)]
    for tag in VERSION_TAGS:
        is_optional = tag.derived or tag.absent is not None
        if tag.name in COVERED and (tag.name in held or not is_optional):
            pairs.append((tag.name, held.get(tag.name, "nothing"), facts[tag.name]))
    differences = sorted(
        f"{name}: {said} registered, {proven} judged"
        for name, said, proven in pairs
        if said != proven
    )
    if differences:
        raise InputError(
            f"the registered facts do not follow from the evidence: {_listed(tuple(differences))}",
            where=str(folder),
            next_step="trust none of it before whoever registered it has said why",
        )


def _listed(texts: tuple[str, ...]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


@contextmanager
def _told_of(path: Path, folder: Path, next_step: str | None = None) -> Iterator[None]:
    """Say of a refusal which bundle it is, and its file by the name that it has there.

    `next_step` stands in for what to do about a folder of a store: nobody has one here.
    """
    try:
        yield
    except InputError as error:
        where = (error.where or "").replace(str(folder), "").strip("/")
        inside = f" ({where})" if where and where != folder.name else ""
        raise InputError(
            f"{error.what}{inside}", where=str(path), next_step=next_step or error.next_step
        ) from error
