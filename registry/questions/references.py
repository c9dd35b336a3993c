"""References to registered versions: `NAME`, `NAME@ALIAS`, `NAME/VERSION`; a `models:/` before it is fine."""

from collections.abc import Mapping
from dataclasses import dataclass

from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.files.store import open_store
from quantgate.registry.champions.judged import as_judged, suites_of
from quantgate.registry.names import check_asked_name
from quantgate.registry.opening import open_reader
from quantgate.registry.protocol import RecordedVersion, RegistryReader, VersionQuery
from quantgate.registry.questions.versions import RegisteredVersion, settled, trusted
from quantgate.registry.suggestions import instead, no_such_model
from quantgate.registry.tracking import Tracking

_SHOWN_VERSIONS = 10
_LARGEST_NUMBER = 2**31 - 1
"""What MLflow's column of versions holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a reference names: a model, and at most one of an alias and a version's number."""

    model: str
    alias: str | None = None
    number: str | None = None

    def __str__(self) -> str:
        if self.alias is not None:
            return f"{self.model}@{self.alias}"
        return self.model if self.number is None else f"{self.model}/{self.number}"


def parse_reference(text: str) -> Reference:
    """Read a reference.

    Raises:
        InputError: it is none.
    """
    name = text.removeprefix("models:/")
    alias = number = None
    if "@" in name:
        name, _, alias = name.partition("@")
    elif "/" in name:
        name, _, number = name.partition("/")
    if alias == "" or (number is not None and not (number.isdecimal() and number.isascii())):
        raise InputError(
            "is not a reference to a registered version",
            where=repr(text),
            next_step="write NAME, NAME@ALIAS or NAME/VERSION",
        )
    check_asked_name(name)
    return Reference(model=name, alias=alias, number=number)


def resolve_reference(reference: str, *, tracking_uri: str | None = None) -> RegisteredVersion:
    """Return the version that a reference means; see `resolve`. `tracking_uri`: as in `lookup`."""
    tracking = Tracking.resolve(open_store(), uri=tracking_uri)
    with open_reader(tracking) as reader:
        return resolve(reader, reference, tracking)


def resolve(reader: RegistryReader, reference: str, tracking: Tracking) -> RegisteredVersion:
    """Return the version that a reference means; a bare name means its only alias, else its newest version.

    Raises:
        InputError: the reference is malformed, or the version is not of this program's making, or its tags
            were altered.
        NotFoundError: no such model, alias or version; it says what there is instead.
        ServiceError: the registry did not answer.
    """
    parsed = parse_reference(reference)
    version = _recorded(reader, parsed)
    if version is None:
        aliases = reader.aliases(parsed.model)
        if aliases is None:
            raise no_such_model(reader, parsed.model, tracking)
        raise _no_such_version(reader, parsed, aliases)
    version = settled(reader, parsed.model, version)
    seen = as_judged(version, _suite_meant(parsed, version))
    return trusted(reader, parsed.model, seen, tracking.store)


def _suite_meant(reference: Reference, version: RecordedVersion) -> str:
    """Return whose verdict a reference asks for: the alias's, else that of the first suite."""
    suites = suites_of(version.tags)
    alias = reference.alias
    if reference == Reference(model=reference.model) and len(version.aliases) == 1:
        alias = version.aliases[0]
    return alias if alias in suites else next(iter(suites), "")


def _recorded(reader: RegistryReader, reference: Reference) -> RecordedVersion | None:
    model = reference.model
    if reference.alias is not None:
        return reader.alias_version(model, reference.alias)
    if reference.number is not None:
        number = int(reference.number)
        return reader.version(model, str(number)) if number <= _LARGEST_NUMBER else None
    aliases = reader.aliases(model)
    if aliases is None:
        return None
    if len(aliases) == 1:
        return reader.version(model, next(iter(aliases.values())))
    newest = reader.versions(VersionQuery(model=model, limit=1))
    return reader.version(model, newest[0].number) if newest else None


def _no_such_version(
    reader: RegistryReader, reference: Reference, aliases: Mapping[str, str]
) -> NotFoundError:
    query = VersionQuery(model=reference.model, wanted=(), limit=_SHOWN_VERSIONS + 1)
    numbers = sorted(int(version.number) for version in reader.versions(query))
    shown = numbers[-_SHOWN_VERSIONS:]
    listed = ", ".join(map(str, shown)) or "none"
    pointers = ", ".join(f"@{alias} -> {number}" for alias, number in sorted(aliases.items()))
    if reference.alias is not None and aliases:
        return NotFoundError(
            f"there is no such alias; {instead(reference.alias, aliases)} (versions: {listed}; aliases: "
            f"{pointers})",
            where=str(reference),
            next_step="name one of these",
        )
    return NotFoundError(
        f"there is no such version; versions: {'… ' if len(numbers) > len(shown) else ''}{listed}; "
        f"aliases: {pointers or 'none'}",
        where=str(reference),
        next_step="name one of these",
    )
