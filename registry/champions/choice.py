"""Which version is the champion: a pure function of a registry's versions and of what was asked for last.

Versions of one **scope** (base, suite as it is asked, policy) compete, and the smallest that passes wins. A
scope is newer than another where its first evidence was recorded later, however often either is recorded
again. So building an old revision once more changes nothing.

What somebody asked for holds until evidence wins that is newer than the request: a version that was
registered since, smaller and of the same scope, or of a scope that no version had before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasCandidate:
    """A version as one suite sees it.

    `since` is when the first evidence of its scope was recorded, in milliseconds; 0 for versions from before
    that was noted, which are in the order of their numbers. `passing` says whether it may be the champion:
    `reason` says why not.
    """

    number: int
    scope: str
    since: int
    size_bytes: int
    full_cache: bool
    passing: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A version that was asked for (None: none), when (milliseconds), and the newest one there was then."""

    number: int | None
    newest: int
    at_ms: int


def champion(
    candidates: Sequence[AliasCandidate], request: Request | None
) -> AliasCandidate | None:
    """Return the champion; None where nothing may be it."""
    ages = _ages(candidates)
    if request is None:
        newest = max(ages.values(), default=None)
        return smallest(c for c in candidates if c.passing and ages[c.scope] == newest)
    asked = next((c for c in candidates if c.number == request.number), None)
    fresh = [c for c in candidates if _is_newer(ages[c.scope], request)]
    if fresh:
        newest = max(ages[c.scope] for c in fresh)
        return smallest(c for c in fresh if c.passing and ages[c.scope] == newest)
    if asked is None:
        return None
    rivals = [c for c in candidates if c.scope == asked.scope and c.number > request.newest]
    return smallest(c for c in (asked, *rivals) if c.passing)


def _is_newer(age: tuple[int, int], request: Request) -> bool:
    """Whether a scope was not there yet, or without any version, when somebody asked."""
    since, first = age
    return since > request.at_ms or first > request.newest


def smallest(candidates: Iterable[AliasCandidate]) -> AliasCandidate | None:
    """Return the one with the fewest bytes; None of none.

    Of equals the one judged with a full-precision KV cache, as a server that is told nothing has it; then
    the newest.
    """
    return min(candidates, key=lambda c: (c.size_bytes, not c.full_cache, -c.number), default=None)


def _ages(candidates: Iterable[AliasCandidate]) -> dict[str, tuple[int, int]]:
    """Return when each scope was first recorded, then the number of its first version."""
    ages: dict[str, tuple[int, int]] = {}
    for each in candidates:
        since, first = ages.get(each.scope, (each.since, each.number))
        ages[each.scope] = (min(since, each.since), min(first, each.number))
    return ages
