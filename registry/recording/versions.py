"""The version behind a judged variant: one for its files in a runtime, whatever suites judge them.

Recording the same evidence again changes no verdict that is newer: the scope (base, suite, policy) whose
first evidence was recorded later counts, and within one scope the evidence that was recorded last.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from quantgate.registry.champions.judged import (
    changes_on_suite,
    on_suite,
    suites_of,
)
from quantgate.registry.champions.settling import Alias, settle
from quantgate.registry.champions.tag_writing import set_tags
from quantgate.registry.evidence import Evidence
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.facts import PASSED, VERSION_TAGS, to_tags
from quantgate.registry.lineage_tag import filter_of, gathered
from quantgate.registry.protocol import AliasChange, RecordedVersion, Registry
from quantgate.registry.seals import seal_state, sealed
from quantgate.registry.tags import JUDGED_IN, NONE, SCOPE_SINCE, Renewal

_PLACES = tuple(tag.name for tag in VERSION_TAGS if tag.renewal is Renewal.PLACE)
_SUBJECT = "subject_key"
_SAID_ONCE = frozenset(tag.name for tag in VERSION_TAGS if tag.renewal is Renewal.ONCE_SAID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where evidence stands: its version, if it passed, and how the suite's alias changed, if it did.

    `held` is the version of what was judged, passed or not, with its tags as they are now.
    """

    version: str | None
    change: AliasChange | None
    held: RecordedVersion | None = None


def put_version(
    registry: Registry, run_id: str, experiment_id: str, evidence: Evidence
) -> Standing:
    """Let a version say what was found out about it, create it where there is none, and settle the alias.

    What did not pass makes no version; one that was there says so from then on, and loses the alias.

    Raises:
        ServiceError: MLflow did not answer or refused.
    """
    model, suite = evidence.model, evidence.suite.name
    alias = Alias(model=model, suite=suite)
    since = registry.first_moment(experiment_id, evidence.scope) or 0
    current = {
        **to_tags(version_facts(evidence)),
        SCOPE_SINCE: str(since),
        JUDGED_IN: run_id,
    }
    version = _version(registry, run_id, evidence, current)
    if version is None:
        return Standing(version=None, change=None)
    renewed = _renewed(version.tags, current, suite)
    seen = on_suite(renewed, suite) or {}
    losing = {}
    if seen.get("verdict") != PASSED:
        losing = {version.number: f"does not pass {seen['suite']}: {seen['verdict']}"}
    lost = settle(registry, alias, losing) if losing else None
    set_tags(registry, model, version, renewed)
    change = settle(registry, alias) or lost
    return Standing(
        version=version.number if evidence.passed else None,
        change=change,
        held=replace(version, tags=renewed),
    )


def _version(
    registry: Registry, run_id: str, evidence: Evidence, current: Mapping[str, str]
) -> RecordedVersion | None:
    """Return the version of what was judged; None where there is none and nothing passed."""
    versions = _versions(registry, evidence)
    if not versions and not evidence.passed:
        return None
    if not versions:
        registry.create_version(evidence.model, run_id, gathered(sealed(current)))
        versions = _versions(registry, evidence)
    # Locks are a store's: a build with another store may have registered the same at the same moment, and
    # whoever was killed in between left a second one.
    for surplus in versions[1:]:
        registry.delete_version(evidence.model, surplus.number)
    return versions[0]


def _versions(registry: Registry, evidence: Evidence) -> tuple[RecordedVersion, ...]:
    """Return the versions of what was judged; before subjects had a key, each suite had one of its own."""
    same = filter_of(subject_key=evidence.subject_key)
    before = filter_of(version_key=evidence.version_key)
    return registry.versions(evidence.model, same) or registry.versions(evidence.model, before)[:1]


def _renewed(tags: Mapping[str, str], current: Mapping[str, str], suite: str) -> Mapping[str, str]:
    """Return the tags that a version is to have, where `current` are those of evidence on one suite.

    What all suites share may have changed by it: each that was whole is sealed as it is read from now on.
    """
    judged = _judged(tags, current, suite)
    whole = {suite} if seal_state(judged).is_whole else set()
    for each in suites_of(tags):
        seen = on_suite(tags, each)
        if each != suite and seen is not None and seal_state(seen).is_whole:
            whole.add(each)
    renewed = {**tags, **{name: current[name] for name in (*_PLACES, _SUBJECT)}}
    renewed |= changes_on_suite(renewed, suite, judged)
    for each in sorted(whole):
        seen = on_suite(renewed, each)
        if seen is not None and not seal_state(seen).is_whole:
            renewed |= changes_on_suite(renewed, each, sealed(seen))
    return renewed


def _judged(tags: Mapping[str, str], current: Mapping[str, str], suite: str) -> dict[str, str]:
    """Return a version's tags as one suite sees it from now on."""
    held = on_suite(tags, suite)
    if held is None:
        return sealed({**tags, **current})
    shared = {name: current[name] for name in (*_PLACES, _SUBJECT)}
    if held.get("scope") != current["scope"] and not _is_newer(held, current):
        return sealed({**held, **shared}) if seal_state(held).is_whole else held
    same = held.get("scope") == current["scope"] and seal_state(held).is_whole
    names = _newest(current) if same else (n for n in current if not _unsaid(n, held, current))
    return sealed({**held, **shared, **{name: current[name] for name in names}})


def _is_newer(held: Mapping[str, str], current: Mapping[str, str]) -> bool:
    """Whether the scope of evidence was first recorded after that of what a version says."""
    return int(current[SCOPE_SINCE]) > int(held.get(SCOPE_SINCE, "0"))


def _newest(current: Mapping[str, str]) -> Iterator[str]:
    """Yield the names of tags in which the newest evidence of one scope counts."""
    for tag in VERSION_TAGS:
        unsaid = tag.renewal is Renewal.ONCE_SAID and current[tag.name] == NONE
        if (tag.renewal is not Renewal.NEVER or tag.of_a_suite) and not unsaid:
            yield tag.name
    yield from (SCOPE_SINCE, JUDGED_IN)


def _unsaid(name: str, held: Mapping[str, str], current: Mapping[str, str]) -> bool:
    """Whether a tag keeps what was said once, as the newest evidence says nothing."""
    return name in _SAID_ONCE and current[name] == NONE and name in held
