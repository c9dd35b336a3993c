"""What a version is on one suite: a version may have been judged on several.

The tags of a version say what its first suite found. What another suite found stands in one tag more,
`verdict.<suite>`, a JSON object of those tags that differ from suite to suite; laid over the others they read
like a version of their own, seal included. `passes.<suite>` beside it holds the scope in which it passes, so
that a registry can be asked for it.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from quantgate.pipelines.domain.values import canonical_json
from quantgate.registry.champions.choice import AliasCandidate
from quantgate.registry.champions.decisions import retirement, waiver_of
from quantgate.registry.facts import PASSED, VERSION_TAGS
from quantgate.registry.protocol import RecordedVersion
from quantgate.registry.seals import SEAL
from quantgate.registry.tags import JUDGED_IN, NONE, SCOPE_SINCE

PREFIX = "verdict."
_PASSES = "passes."
OF_A_SUITE = frozenset(
    (*(tag.name for tag in VERSION_TAGS if tag.of_a_suite), SCOPE_SINCE, JUDGED_IN, SEAL)
)
"""Names of the tags that differ from suite to suite."""


def on_suite(tags: Mapping[str, str], suite: str) -> dict[str, str] | None:
    """Return a version's tags as one suite sees it; None where it was not judged on it."""
    if tags.get("suite_name") == suite:
        return dict(tags)
    try:
        held = json.loads(tags.get(PREFIX + suite, "null"))
    except ValueError:
        return None
    if not isinstance(held, dict) or not all(isinstance(text, str) for text in held.values()):
        return None
    return {**tags, **{name: held[name] for name in OF_A_SUITE if name in held}}


def passes_tag(suite: str) -> str:
    """Return the name of the tag with the scope in which a version passes a further suite."""
    return _PASSES + suite


def as_judged(version: RecordedVersion, suite: str) -> RecordedVersion:
    """Return a version as one suite sees it, run included; as it is where it was not judged on it."""
    tags = on_suite(version.tags, suite)
    if tags is None:
        return version
    return replace(version, tags=tags, run_id=tags.get(JUDGED_IN, version.run_id))


def suites_of(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the suites that a version was judged on, the first one first."""
    others = sorted(name.removeprefix(PREFIX) for name in tags if name.startswith(PREFIX))
    return (*((tags["suite_name"],) if "suite_name" in tags else ()), *others)


def changes_on_suite(
    tags: Mapping[str, str], suite: str, suite_verdict: Mapping[str, str]
) -> dict[str, str]:
    """Return which tags of a version to set, the seal last: `on_suite` of it is `suite_verdict` then."""
    if tags.get("suite_name", suite) == suite:
        changed = {name: text for name, text in suite_verdict.items() if tags.get(name) != text}
        return dict(sorted(changed.items(), key=lambda item: item[0] == SEAL))
    text = canonical_json(
        {name: suite_verdict[name] for name in sorted(OF_A_SUITE) if name in suite_verdict}
    )
    passes = suite_verdict["scope"] if suite_verdict.get("verdict") == PASSED else NONE
    main = {PREFIX + suite: text, passes_tag(suite): passes}
    return {name: value for name, value in main.items() if tags.get(name) != value}


def candidate(version: RecordedVersion, suite: str, today: date) -> AliasCandidate | None:
    """Return a version as one suite's alias sees it; None where it was not judged on it, or not by us."""
    tags = on_suite(version.tags, suite)
    if tags is None or "version_key" not in tags:
        return None
    try:
        reason = against(tags, suite, today)
        return AliasCandidate(
            number=int(version.number),
            scope=tags["scope"],
            since=int(tags.get(SCOPE_SINCE, "0")),
            size_bytes=int(tags["size_bytes"]),
            full_cache=tags.get("numerics", "").endswith("/KV16"),
            passing=not reason,
            reason=reason,
        )
    except (KeyError, ValueError):  # altered by hand
        return None


def against(tags: Mapping[str, str], suite: str, today: date) -> str:
    """Say why a version may not be a champion; empty where it may."""
    if (retired := retirement(tags)) is not None:
        return f"was retired by {retired.who}: {retired.reason}"
    if tags.get("verdict") != PASSED:
        waiver = waiver_of(tags, suite)
        if waiver is None or waiver.evidence_key != tags.get("evidence_key"):
            return f"does not pass {tags.get('suite', suite)}: {tags.get('verdict')}"
        if not waiver.holds_on(today):
            return f"does not pass {tags.get('suite', suite)}, and its waiver expired on {waiver.until}"
        return ""
    until = tags.get("waiver_until", NONE)
    if until != NONE and date.fromisoformat(until) < today:
        return f"passed with a waiver that expired on {until}"
    return ""
