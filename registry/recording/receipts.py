"""Receipts: proof on disk that evidence is in the registry, checked in milliseconds without MLflow."""

from dataclasses import dataclass, field
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.records import read_checked, write_checked
from quantgate.registry.protocol import AliasChange
from quantgate.registry.tracking import Tracking


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Where one piece of evidence stands. `version` is None for a variant that did not pass.

    `uri` is shown without its password. `location` is the sealed folder that the registry names, as it lay
    when this was recorded, and `manifest_digest` its manifest's: a store that was moved, or a variant that
    was built again, is recorded anew. Both are empty for what has no variant. `alias` is the suite's name,
    `scope` what competes for it, `subject_key` identifies the version, and `alias_change` is how the alias
    changed when this was recorded (None: not at all).
    """

    uri: str
    evidence_key: str
    version_key: str
    scope: str
    decision: str
    model: str
    alias: str
    experiment_id: str
    run_id: str
    version: str | None
    location: str = ""
    manifest_digest: str = ""
    subject_key: str = ""
    alias_change: AliasChange | None = field(default=None, compare=False)


def find_receipt(evidence_key: str, tracking: Tracking) -> Receipt | None:
    """Return the receipt of this evidence in this registry, or None (an unreadable one is none)."""
    path = _path(evidence_key, tracking)
    if not path.is_file():
        return None
    try:
        return read_checked(Receipt, path)
    except InputError:
        return None


def write_receipt(receipt: Receipt, tracking: Tracking) -> None:
    """Keep a receipt."""
    write_checked(_path(receipt.evidence_key, tracking), receipt)


def _path(evidence_key: str, tracking: Tracking) -> Path:
    return tracking.store.receipts() / f"{evidence_key[:16]}--{tracking.key}.json"
