"""One signed attestation of a version: statement and bill of materials, and a signature over its files.

A sealed folder of the store, by evidence and key: `statement/` holds `provenance.json` and `mlbom.json`,
`statement.sig` is the signature over these two, `files.sig` the one over the variant's own folder (with
which `model_signing verify` checks a copy of the weights), and `key.pub` the key that both were made with.
`registry/attesting/verification.py` checks it.
"""

import shutil
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files import sealed
from quantgate.pipelines.files.store import Store
from quantgate.registry.attesting.mlbom import bill_of_materials
from quantgate.registry.attesting.provenance import provenance_statement
from quantgate.registry.attesting.signing import fingerprint, public_key, sign_folder
from quantgate.registry.attesting.subject import attested
from quantgate.registry.attesting.verification import (
    PROVENANCE,
    PUBLIC,
    STATEMENT,
    STATEMENT_SIGNATURE,
    Attestation,
    store_attestations,
)
from quantgate.registry.proofs.bundle import SHORT_KEY
from quantgate.registry.questions.versions import RegisteredVersion

BILL = "mlbom.json"
_FILES_SIGNATURE = "files.sig"


def attest(version: RegisteredVersion, store: Store, key: Path, program: str) -> Path:
    """Return the folder of a version's attestation by a private key, making it where there is none.

    Raises:
        InputError: the files are not those that were registered, or the key cannot be used.
    """
    public = public_key(key)
    signer = fingerprint(public)
    folder = store_attestations(store, version.facts.evidence_key) / signer[:SHORT_KEY]

    def produce(staging: Path) -> Attestation:
        subject = attested(version)
        statement = staging / STATEMENT
        statement.mkdir()
        _write(statement / PROVENANCE, provenance_statement(subject, program))
        _write(statement / BILL, bill_of_materials(subject))
        sign_folder(statement, staging / STATEMENT_SIGNATURE, key)
        sign_folder(version.folder, staging / _FILES_SIGNATURE, key)
        (staging / PUBLIC).write_bytes(public)
        return Attestation(uri=version.uri, evidence_key=version.facts.evidence_key, signer=signer)

    sealed.produce_once(folder, Attestation, produce)
    return folder


def copy_attestation(folder: Path, target: Path) -> None:
    """Copy an attestation, its manifest included.

    Raises:
        InputError: something is there already.
    """
    if target.exists():
        raise InputError("is there already", where=str(target), next_step="name another folder")
    try:
        shutil.copytree(folder, target)
    except BaseException:  # half of it would stand in the way of the next try
        shutil.rmtree(target, ignore_errors=True)
        raise


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
