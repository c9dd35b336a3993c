"""Pointing a suite's alias at its champion: with a reason, and again until nothing moves any more.

MLflow has no way to point an alias only if nothing else changed meanwhile. So whoever moved one looks again:
of several processes the last to move it sees all that the others registered. The reason is written first: a
process that dies before it moves the alias leaves a registry that the next one brings in order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from quantgate.registry.champions.changes import (
    RecordedChange,
    newest_request,
    now,
    recorded_changes,
    this_actor,
    write_change,
)
from quantgate.registry.champions.choice import AliasCandidate, Request, champion
from quantgate.registry.champions.judged import candidate, on_suite
from quantgate.registry.protocol import AliasChange, RecordedVersion, Registry

_MOST_LOOKS = 20
"""Each look that moves the alias means that another process registered something in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A suite's alias of a registered model."""

    model: str
    suite: str

    def __str__(self) -> str:
        return f"{self.model}@{self.suite}"


def settle(
    registry: Registry, alias: Alias, losing: Mapping[str, str] | None = None
) -> AliasChange | None:
    """Point an alias at its champion and return how it changed; None where it did not.

    `losing` holds versions that are about to lose it, by number, and why: the alias leaves them before their
    tags say so, and at no moment it points at a version that does not pass.

    Raises:
        ServiceError: MLflow did not answer or refused.
    """
    first: AliasChange | None = None
    for _ in range(_MOST_LOOKS):
        change = _look(registry, alias, losing or {})
        if change is None:
            return first
        first = replace(change, before=first.before) if first else change
    return first


def candidates_of(
    versions: Sequence[RecordedVersion], suite: str, today: date | None = None
) -> tuple[AliasCandidate, ...]:
    """Return the versions that one suite judged, as its alias sees them."""
    day = today or datetime.now(UTC).date()
    seen = (candidate(version, suite, day) for version in versions)
    return tuple(each for each in seen if each is not None)


def _look(registry: Registry, alias: Alias, losing: Mapping[str, str]) -> AliasChange | None:
    aliases = registry.aliases(alias.model)
    if aliases is None:
        return None
    before = aliases.get(alias.suite)
    versions = registry.versions(alias.model, {})
    candidates = [
        replace(each, passing=False, reason=losing[str(each.number)])
        if str(each.number) in losing
        else each
        for each in candidates_of(versions, alias.suite)
    ]
    changes = recorded_changes(registry.model_tags(alias.model) or {}, alias.suite)
    best = champion(candidates, _request(changes))
    after = str(best.number) if best is not None else None
    last = changes[-1].change if changes else None
    if after == before and (last is None or last.after == after):
        return None
    change = AliasChange(
        alias=alias.suite,
        before=before,
        after=after,
        at=now(),
        reason=_reason(before, best, candidates, versions, alias.suite),
        actor=this_actor(),
    )
    if last is None or last.after != after:
        write_change(registry, alias.model, change)
    if after == before:
        return None
    registry.point_alias(alias.model, alias.suite, after)
    return change


def _request(changes: tuple[RecordedChange, ...]) -> Request | None:
    asked = newest_request(changes)
    if asked is None or asked.newest is None:
        return None
    return Request(
        number=int(asked.change.after) if asked.change.after else None,
        newest=asked.newest,
        at_ms=int(asked.moment.timestamp() * 1000),
    )


def _reason(
    before: str | None,
    best: AliasCandidate | None,
    candidates: Sequence[AliasCandidate],
    versions: Sequence[RecordedVersion],
    suite: str,
) -> str:
    """Say why the alias moves, in a sentence."""
    old = next((each for each in candidates if str(each.number) == before), None)
    if best is None:
        why = old.reason if old else ""
        return f"version {before} {why or 'is not there any more'}, and no other may follow it"
    if old is None:
        return (
            f"version {best.number} is the first to pass"
            if before is None
            else f"version {before} is not one of this suite's"
        )
    if not old.passing:
        return f"version {before} {old.reason}; version {best.number} is the smallest that is left"
    if old.scope == best.scope:
        return f"version {best.number} passes the same and is smaller than version {before}"
    tags = {version.number: on_suite(version.tags, suite) or {} for version in versions}
    newer = _what_is_newer(tags[str(old.number)], tags[str(best.number)])
    return f"version {best.number} passes with {newer} than version {before} had"


def _what_is_newer(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    parts = {
        f"a newer base ({new.get('source', '')})": (
            "base_weights_digest",
            "base_tokenizer_digest",
            "base_chat_template_digest",
            "base_config_digest",
        ),
        f"a newer suite ({new.get('suite', '')})": ("suite_digest",),
        "a newer policy": ("policy_digest",),
    }
    named = [
        part
        for part, names in parts.items()
        if any(old.get(name) != new.get(name) for name in names)
    ]
    return " and ".join(named) or "other template variables"
