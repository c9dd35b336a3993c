"""What people ask of a registry: another champion, a version out of use, a verdict waived for a time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.files.locks import exclusive
from quantgate.registry.champions.changes import now, recorded_changes, this_actor, write_change
from quantgate.registry.champions.decisions import (
    Retirement,
    VerdictWaiver,
    retirement,
    written,
)
from quantgate.registry.champions.descriptions import version_description
from quantgate.registry.champions.judged import changes_on_suite, on_suite, suites_of
from quantgate.registry.champions.reigns import last_champion, version_asked_for
from quantgate.registry.champions.settling import Alias, candidates_of, settle
from quantgate.registry.champions.tag_writing import set_tags
from quantgate.registry.facts import PASSED
from quantgate.registry.opening import open_mlflow
from quantgate.registry.protocol import AliasChange, OpenRegistry, RecordedVersion, Registry
from quantgate.registry.seals import SealState, seal_state, sealed
from quantgate.registry.suggestions import absent_model, instead
from quantgate.registry.tags import NONE, RETIRED, waiver_tag
from quantgate.registry.tracking import Tracking


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """Who decides, and why; without a name it is the user at this machine."""

    reason: str
    who: str | None = None

    @property
    def name(self) -> str:
        """Who decides."""
        return (self.who or "").strip() or this_actor()

    def check(self) -> None:
        """Refuse a decision without a reason.

        Raises:
            InputError: where the reason is empty.
        """
        if not self.reason.strip():
            raise InputError(
                "needs a reason", where="--reason", next_step="say why, for the record"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionName:
    """A version of a registered model; `suite` says whose verdict is meant where several judged it."""

    model: str
    number: str
    suite: str | None = None

    def __str__(self) -> str:
        return f"{self.model}/{self.number}"


def rollback(
    alias: Alias,
    tracking: Tracking,
    *,
    by: Decider,
    to: str | None = None,
    open_registry: OpenRegistry = open_mlflow,
) -> AliasChange:
    """Point a suite's alias at its last champion before this one, or at version `to`; return the change.

    It holds until newer evidence wins; recording again what was registered before changes nothing.

    Raises:
        InputError: version `to` may not be a champion, or is it already.
        NotFoundError: there is no such model or version, or no earlier champion that still passes.
        ServiceError: MLflow did not answer or refused.
    """
    with _opened(tracking, open_registry) as registry:
        aliases = registry.aliases(alias.model)
        if aliases is None:
            raise absent_model(alias.model, registry.model_names(), tracking)
        versions = registry.versions(alias.model, {})
        candidates = candidates_of(versions, alias.suite)
        if not candidates:
            raise _no_such_suite(alias, versions)
        changes = recorded_changes(registry.model_tags(alias.model) or {}, alias.suite)
        before = aliases.get(alias.suite)
        target = (
            version_asked_for(to, alias, candidates)
            if to is not None
            else last_champion(alias, candidates, changes, before)
        )
        if str(target.number) == before:
            raise InputError(
                f"version {before} is the champion already",
                where=str(alias),
                next_step="name another version, or leave it as it is",
            )
        default = f"rolled back from version {before}" if before else "pointed at by hand"
        change = AliasChange(
            alias=alias.suite,
            before=before,
            after=str(target.number),
            at=now(),
            reason=by.reason.strip() or default,
            actor=by.name,
        )
        newest = max(int(version.number) for version in versions)
        write_change(registry, alias.model, change, newest)
        settle(registry, alias)
    return change


def retire(
    name: VersionName,
    tracking: Tracking,
    *,
    by: Decider,
    open_registry: OpenRegistry = open_mlflow,
) -> tuple[AliasChange, ...]:
    """Take a version out of use for good; return how aliases changed, which leave it first.

    Raises:
        InputError: no reason is given, or it is retired already.
        NotFoundError: there is no such version.
        ServiceError: MLflow did not answer or refused.
    """
    by.check()
    with _opened(tracking, open_registry) as registry:
        version = _version(registry, name, tracking)
        suites = suites_of(version.tags)
        earlier = retirement(version.tags)
        if earlier is not None and not _was_interrupted(version.tags, suites):
            raise InputError(
                f"was retired already, by {earlier.who}: {earlier.reason}",
                where=str(name),
                next_step="name a version that is in use; `quantgate history MODEL` lists what is registered",
            )
        decision = earlier or Retirement(reason=by.reason.strip(), who=by.name, at=now())
        why = {name.number: f"was retired by {decision.who}: {decision.reason}"}
        aliases = [Alias(model=name.model, suite=suite) for suite in suites]
        changes = [settle(registry, alias, why) for alias in aliases]
        for key, text in _with_decision(version.tags, suites, RETIRED, written(decision)).items():
            registry.set_version_tag(name.model, name.number, key, text)
        _describe(registry, name)
        changes += [settle(registry, alias) for alias in aliases]
    return tuple(change for change in changes if change is not None)


def waive(
    name: VersionName,
    tracking: Tracking,
    *,
    by: Decider,
    until: date,
    open_registry: OpenRegistry = open_mlflow,
) -> AliasChange | None:
    """Let a version be a champion until a day although it does not pass; return how the alias changed.

    It stays in the version's lineage for ever. A verdict that is made later needs a waiver of its own.

    Raises:
        InputError: no reason is given, the day is past, the version passes, or was judged on several suites
            and none was named.
        NotFoundError: there is no such version.
        ServiceError: MLflow did not answer or refused.
    """
    by.check()
    if until < datetime.now(UTC).date():
        raise InputError(f"{until} is past", where="--until", next_step="name a day to come")
    with _opened(tracking, open_registry) as registry:
        version = _version(registry, name, tracking)
        suite, tags = _suite_meant(version, name)
        if tags["verdict"] == PASSED:
            raise InputError(
                f"passes {tags['suite']}: there is nothing to waive",
                where=str(name),
                next_step="leave the waiver out",
            )
        waiver = VerdictWaiver(
            reason=by.reason.strip(),
            who=by.name,
            until=until.isoformat(),
            evidence_key=tags["evidence_key"],
        )
        said = [text for text in (tags["waiver"], str(waiver)) if text != NONE]
        waived = {**tags, "waiver": "; ".join(said), waiver_tag(suite): written(waiver)}
        if seal_state(tags).is_whole:
            waived = sealed(waived)
        changed = changes_on_suite(version.tags, suite, waived)
        tags = {**version.tags, waiver_tag(suite): written(waiver), **changed}
        set_tags(registry, name.model, version, tags)
        _describe(registry, name)
        return settle(registry, Alias(model=name.model, suite=suite))


@contextmanager
def _opened(tracking: Tracking, open_registry: OpenRegistry) -> Iterator[Registry]:
    tracking.require_database()
    with exclusive(tracking.store.root / "registry.lock"):
        yield open_registry(tracking)


def _describe(registry: Registry, name: VersionName) -> None:
    """Let the version's page say what was decided."""
    version = next(v for v in registry.versions(name.model, {}) if v.number == name.number)
    try:
        text = version_description(name.model, version)
    except InputError:  # tags were altered by hand: look-ups say so
        return
    registry.describe_version(name.model, name.number, text)


def _with_decision(
    tags: Mapping[str, str], suites: tuple[str, ...], decision: str, text: str
) -> dict[str, str]:
    """Return which tags of a version to set for a decision about all its suites, seals last.

    What was altered by hand before stays unsealed.
    """
    changed = {decision: text}
    for suite in suites:
        before = {key: value for key, value in tags.items() if key != decision}
        seen, decided = on_suite(before, suite), on_suite({**tags, decision: text}, suite)
        if seen is not None and decided is not None and seal_state(seen).is_whole:
            changed |= changes_on_suite({**tags, **changed}, suite, sealed(decided))
    return changed


def _was_interrupted(tags: Mapping[str, str], suites: tuple[str, ...]) -> bool:
    """Whether somebody who retired a version died before its seals said so."""
    return any(
        (seen := on_suite(tags, suite)) is not None and seal_state(seen) is SealState.BROKEN
        for suite in suites
    )


def _no_such_suite(alias: Alias, versions: Sequence[RecordedVersion]) -> NotFoundError:
    suites = {suite for version in versions for suite in suites_of(version.tags)}
    return NotFoundError(
        f"no version was judged on a suite of that name; {instead(alias.suite, sorted(suites))}",
        where=str(alias),
        next_step="`quantgate history MODEL` lists what is registered",
    )


def _version(registry: Registry, name: VersionName, tracking: Tracking) -> RecordedVersion:
    if registry.aliases(name.model) is None:
        raise absent_model(name.model, registry.model_names(), tracking)
    versions = registry.versions(name.model, {})
    version = next((each for each in versions if each.number == name.number), None)
    if version is None or "version_key" not in version.tags:
        numbers = ", ".join(each.number for each in versions if "version_key" in each.tags)
        raise NotFoundError(
            f"there is no such version of this program's; there are {numbers or 'none'}",
            where=str(name),
            next_step="`quantgate history MODEL` lists what is registered",
        )
    return version


def _suite_meant(version: RecordedVersion, name: VersionName) -> tuple[str, dict[str, str]]:
    suites = suites_of(version.tags)
    suite = name.suite if name.suite is not None else suites[0]
    tags = on_suite(version.tags, suite)
    if tags is None or (name.suite is None and len(suites) > 1):
        raise InputError(
            f"was judged on {', '.join(suites)}"
            + ("" if name.suite is None else f", not on {name.suite}"),
            where=str(name),
            next_step="say which suite is meant (--suite)",
        )
    return suite, tags
