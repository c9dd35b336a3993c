"""Checking attestations: what was signed, by whom, about which evidence and files.

It needs nothing of what makes them (bills of materials, provenance): bundles are checked without.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files import sealed
from quantgate.pipelines.files.reading import read_bytes
from quantgate.pipelines.files.store import Store
from quantgate.registry.attesting.signing import check_signature, fingerprint
from quantgate.registry.proofs.bundle import ATTESTATIONS, SHORT_KEY

STATEMENT, PROVENANCE = "statement", "provenance.json"
STATEMENT_SIGNATURE, PUBLIC = "statement.sig", "key.pub"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """An attestation as its manifest has it: which version's, and by which key."""

    uri: str
    evidence_key: str
    signer: str


def signers(
    folder: Path, evidence_key: str, files: Mapping[str, Digest], trusted: Path | None = None
) -> tuple[str, ...]:
    """Check every attestation below a folder and return the fingerprints of the keys that signed them.

    With a trusted public key, only those are looked at that name this key, and there has to be one.

    Raises:
        InputError: as `check_attestation`; or none is signed by the trusted key.
    """
    signed = sorted(path.parent for path in folder.glob(f"[!.]*/{sealed.MANIFEST}"))
    if trusted is None:
        return tuple(check_attestation(each, evidence_key, files) for each in signed)
    trusted_name = fingerprint(_readable(trusted))
    for each in signed:
        if each.name == trusted_name[:SHORT_KEY]:
            return (check_attestation(each, evidence_key, files, trusted),)
    raise InputError(
        f"no attestation by the key {trusted_name[:SHORT_KEY]}… is there",
        where=str(folder),
        next_step="attest it with that key: quantgate attest NAME@ALIAS --key FILE",
    )


def check_attestation(
    folder: Path, evidence_key: str, files: Mapping[str, Digest], trusted: Path | None = None
) -> str:
    """Check an attestation's signature, and that it is about this evidence and these files (by sha256).

    Returns the fingerprint of the key that signed it: the one in `trusted` where that is given, else the one
    that lies beside it, which anybody can have put there.

    Raises:
        InputError: it was altered, is about something else, or another key signed it.
    """
    manifest = sealed.read_manifest(folder, Attestation)
    sealed.verify(folder, manifest)
    public = _readable(trusted) if trusted is not None else (folder / PUBLIC).read_bytes()
    signer = fingerprint(public)
    with NamedTemporaryFile(suffix=".pub") as file:
        file.write(public)
        file.flush()
        check_signature(folder / STATEMENT, folder / STATEMENT_SIGNATURE, Path(file.name))
    statement = json.loads((folder / STATEMENT / PROVENANCE).read_bytes())
    named = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    facts = statement["predicate"]["buildDefinition"]["internalParameters"]
    if named != files or facts.get("evidence_key") != evidence_key:
        raise InputError(
            "is signed, and about other files or another verdict",
            where=str(folder / STATEMENT / PROVENANCE),
            next_step="fetch version and attestation again, both from who signed",
        )
    return signer


def store_attestations(store: Store, evidence_key: str) -> Path:
    """Return the folder of a store that holds the attestations of one piece of evidence."""
    return store.root / ATTESTATIONS / evidence_key[:SHORT_KEY]


def _readable(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except InputError as error:
        raise InputError(
            f"is no public key that can be read: {error.what}",
            where=str(path),
            next_step="name the .pub file that `quantgate key` made",
        ) from error
