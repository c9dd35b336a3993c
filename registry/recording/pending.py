"""Registrations that wait: what was judged while a registry could not be reached, kept in the store.

`pending/<evidence>--<registry>.json` holds the evidence itself, so that it is registered as it was judged. An
address with another password is the same registry.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError, QuantgateError
from quantgate.pipelines.domain.secrets import without_userinfo
from quantgate.pipelines.domain.values import Digest, JsonObject, digest_of
from quantgate.pipelines.domain.verdicts.verdict import PairOutcome
from quantgate.pipelines.files.moved import moved
from quantgate.pipelines.files.records import from_json, read_checked, to_json, write_checked
from quantgate.pipelines.files.store import Store
from quantgate.registry.evidence import Evidence
from quantgate.registry.tracking import Tracking

_KEY_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Evidence that waits for its registry, with the corpus it names; `queued_at` is UTC in ISO 8601.

    Of the verdict's items it has those that broke or were fixed. `reason` says why it waits.
    """

    evidence: Evidence
    corpus: Corpus | None
    queued_at: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    store: Path
    registry: str
    registration: JsonObject


def queue(
    evidence: Evidence, corpus: Corpus | None, tracking: Tracking, error: QuantgateError
) -> None:
    """Keep evidence until its registry can be reached; what waits already waits on."""
    flips = tuple(
        item
        for item in evidence.verdict.items
        if item.outcome in (PairOutcome.BROKE, PairOutcome.FIXED)
    )
    value = to_json(
        Registration(
            evidence=replace(evidence, verdict=replace(evidence.verdict, items=flips)),
            corpus=corpus,
            queued_at=datetime.now(UTC).isoformat(),
            reason=error.what,
        )
    )
    assert isinstance(value, dict)
    stored = _Stored(
        store=tracking.store.root.resolve(), registry=tracking.shown, registration=value
    )
    write_checked(_path(evidence.key, tracking), stored)


def forget(evidence_key: Digest, tracking: Tracking) -> None:
    """Wait no longer: the registry has it."""
    _path(evidence_key, tracking).unlink(missing_ok=True)


def waiting(tracking: Tracking) -> Iterator[Registration]:
    """Yield what waits for this registry, in the order in which it was queued.

    Raises:
        InputError: a file is damaged, or of another version.
    """
    files = pending_folder(tracking.store).glob(f"*--{_registry_key(tracking)}.json")
    read = [_read(path) for path in files]
    yield from sorted(read, key=lambda each: (each.queued_at, each.evidence.key))


def waiting_elsewhere(tracking: Tracking) -> int:
    """Return how many registrations of this store wait for other registries."""
    here = set(pending_folder(tracking.store).glob(f"*--{_registry_key(tracking)}.json"))
    return len(set(pending_folder(tracking.store).glob("*.json")) - here)


def _read(path: Path) -> Registration:
    stored = read_checked(_Stored, path)
    here = path.resolve().parents[1]
    try:
        return from_json(Registration, moved(stored.registration, str(stored.store), str(here)))
    except ValueError as error:  # pydantic's is one
        raise InputError(
            "is a registration of another version of quantgate",
            where=str(path),
            next_step="run the same build again, then remove it",
        ) from error


def _path(evidence_key: Digest, tracking: Tracking) -> Path:
    return (
        pending_folder(tracking.store)
        / f"{evidence_key[:_KEY_LENGTH]}--{_registry_key(tracking)}.json"
    )


def pending_folder(store: Store) -> Path:
    """Return where a store keeps what waits."""
    return store.root / "pending"


def _registry_key(tracking: Tracking) -> str:
    return digest_of(without_userinfo(tracking.uri))[:8]
