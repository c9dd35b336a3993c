"""A model's history: its versions, and what its aliases stood for, when and why."""

from dataclasses import dataclass
from datetime import UTC, datetime

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.store import open_store
from quantgate.registry.facts import VersionFacts
from quantgate.registry.names import check_asked_name
from quantgate.registry.opening import open_reader
from quantgate.registry.protocol import (
    AliasChange,
    OpenReader,
    RecordedVersion,
    RegistryReader,
    VersionQuery,
)
from quantgate.registry.questions.versions import trusted
from quantgate.registry.suggestions import no_such_model
from quantgate.registry.tracking import Tracking


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One version. `registered_at` is UTC in ISO 8601, empty where it is not known.

    `facts` are None where they cannot be trusted; `problem` then says why (altered tags, registered by hand).
    """

    version: str
    registered_at: str
    aliases: tuple[str, ...]
    facts: VersionFacts | None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHistory:
    """Versions newest first, `older` of them left out; alias changes oldest first, as far as recorded."""

    model: str
    versions: tuple[HistoryEntry, ...]
    older: bool
    changes: tuple[AliasChange, ...]


def history(
    model: str, *, newest: int | None = None, tracking_uri: str | None = None
) -> ModelHistory:
    """Return a model's history, of its `newest` versions or of all. `tracking_uri`: as in `lookup`.

    Raises:
        InputError: the name cannot be a model's.
        NotFoundError: there is no such model; it says which one may be meant.
        ServiceError: the registry did not answer, or refused.
    """
    return history_of(model, newest, Tracking.resolve(open_store(), uri=tracking_uri))


def history_of(
    model: str, newest: int | None, tracking: Tracking, *, open_reader: OpenReader = open_reader
) -> ModelHistory:
    """Return what `history` does, from the registry that `open_reader` opens."""
    check_asked_name(model)
    with open_reader(tracking) as reader:
        aliases = reader.aliases(model)
        if aliases is None:
            raise no_such_model(reader, model, tracking)
        limit = None if newest is None else newest + 1
        held = reader.versions(VersionQuery(model=model, limit=limit))
        pointing = {
            version.number: tuple(sorted(a for a, n in aliases.items() if n == version.number))
            for version in held
        }
        return ModelHistory(
            model=model,
            versions=tuple(
                _entry(reader, model, version, pointing[version.number], tracking)
                for version in held[:newest]
            ),
            older=newest is not None and len(held) > newest,
            changes=reader.alias_changes(model),
        )


def _entry(
    reader: RegistryReader,
    model: str,
    version: RecordedVersion,
    aliases: tuple[str, ...],
    tracking: Tracking,
) -> HistoryEntry:
    facts, problem = None, ""
    try:
        facts = trusted(reader, model, version, tracking.store).facts
    except InputError as error:
        problem = error.what
    return HistoryEntry(
        version=version.number,
        registered_at=_moment(version.created_ms),
        aliases=aliases,
        facts=facts,
        problem=problem,
    )


def _moment(milliseconds: int | None) -> str:
    if milliseconds is None:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
