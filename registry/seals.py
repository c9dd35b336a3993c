"""The seal of a version: one tag, a digest over all that the others say, by which edited ones are noticed.

Whoever edits a tag by hand, in MLflow's pages or by its client, leaves a seal that does not hold. It protects
from mistakes, not from somebody who computes a new one. It covers facts, and what people decided about the
version (out of use, a verdict waived), as far as a version has them: tags that others add change nothing,
nor do paths, which move with a store.
"""

from collections.abc import Mapping
from enum import StrEnum

from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.registry.facts import VERSION_TAGS
from quantgate.registry.tags import JUDGED_IN, RETIRED, SCOPE_SINCE, Renewal, waiver_tag

SEAL = "facts_digest"
"""Name of the tag."""

_FORMAT, _OLDER = "3", ("1", "2")
"""Stands before the digest; a new one whenever more is covered, as old programs lack the new names."""

_PLACES = frozenset({"location", "artifact", "place"})
"""Where files lie; `verify` compares what lies there with the digests."""

COVERED = frozenset(tag.name for tag in VERSION_TAGS) - _PLACES
"""Names of the tags of facts that a seal covers."""

_SINCE_FORMAT_2 = frozenset({"architecture", "decode"})
_SINCE_FORMAT_3 = frozenset(tag.name for tag in VERSION_TAGS if tag.fact.startswith("speed."))


class SealState(StrEnum):
    """What a version's seal says."""

    HOLDS = "holds"
    OLDER = "older"
    """It holds, and is from before seals covered what people decided about a version, or its speed."""
    UNSEALED = "unsealed"
    """It is from before versions were sealed."""
    BROKEN = "broken"
    NEWER = "newer"
    """A newer version of this program sealed it."""

    @property
    def is_whole(self) -> bool:
        """Whether all that the seal covers is as it was sealed."""
        return self in (SealState.HOLDS, SealState.OLDER)


def sealed(tags: Mapping[str, str]) -> dict[str, str]:
    """Return a version's tags, as one suite sees them, with their seal."""
    return {**tags, SEAL: f"{_FORMAT}:{_digest(tags, _FORMAT)}"}


def seal_state(tags: Mapping[str, str]) -> SealState:
    """Hold a version's tags, as one suite sees them, against their seal."""
    if SEAL not in tags:
        return SealState.UNSEALED
    form, _, digest = tags[SEAL].partition(":")
    if form not in (_FORMAT, *_OLDER):
        newer = form.isdecimal() and int(form) > int(_FORMAT)
        return SealState.NEWER if newer else SealState.BROKEN
    if digest != _digest(tags, form):
        return SealState.BROKEN
    return SealState.HOLDS if form == _FORMAT else SealState.OLDER


def differing(tags: Mapping[str, str], run: Mapping[str, str]) -> tuple[str, ...]:
    """Return names of a version's tags that say something else than those of the run that it was made from.

    Tags in which newer evidence counts may differ; a version is made by a run that passed.
    """
    names = (tag.name for tag in VERSION_TAGS if tag.renewal is Renewal.NEVER)
    return tuple(
        sorted(name for name in (*names, "verdict") if name in run and tags.get(name) != run[name])
    )


def _digest(tags: Mapping[str, str], form: str) -> Digest:
    names = COVERED - _SINCE_FORMAT_3 - _SINCE_FORMAT_2
    if form != _OLDER[0]:
        decisions = {RETIRED, waiver_tag(tags.get("suite_name", ""))}
        names = COVERED - _SINCE_FORMAT_3 | decisions | {SCOPE_SINCE, JUDGED_IN}
    if form == _FORMAT:
        names |= _SINCE_FORMAT_3
    return digest_of({name: tags[name] for name in names if name in tags})
