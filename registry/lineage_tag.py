"""What nobody asks a registry for stands in one tag of a version, `lineage`: digests, paths, and the like.

So MLflow's page of a version shows the tags that people filter by, and not thirty digests among them. Whoever
reads a version gets them all by name; whoever asks for some names reads this tag with them.
"""

import json
from collections.abc import Mapping

from quantgate.pipelines.domain.values import JsonObject, canonical_json
from quantgate.registry.facts import VERSION_TAGS
from quantgate.registry.tags import JUDGED_IN, SCOPE_SINCE

LINEAGE = "lineage"
"""Name of the tag: a JSON object of texts."""

GATHERED = frozenset((*(tag.name for tag in VERSION_TAGS if tag.gathered), SCOPE_SINCE, JUDGED_IN))
"""Names of what stands in it."""
_FACTS = frozenset(tag.name for tag in VERSION_TAGS) | GATHERED
_ASKED_FOR = _FACTS - GATHERED


def gathered(tags: Mapping[str, str]) -> dict[str, str]:
    """Return a version's tags as a registry is to hold them."""
    inside: JsonObject = {name: text for name, text in tags.items() if name in GATHERED}
    apart = {name: text for name, text in tags.items() if name not in GATHERED}
    return {**apart, LINEAGE: canonical_json(inside)} if inside else apart


def gathered_names(tags: Mapping[str, str]) -> frozenset[str]:
    """Return the names of what stands in a version's `lineage`."""
    return frozenset(_inside(tags))


def spread(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that a registry holds with each by its own name, the gathered tag itself among them.

    Versions from before there was one have theirs apart. What stands in it counts, whatever tag of the same
    name somebody added beside it; one that was damaged says nothing, and the seal does not hold. Which facts
    have a tag of their own may change: what an earlier release gathered is read as well.
    """
    facts = {name: text for name, text in _inside(tags).items() if name in _FACTS}
    return {**facts, **tags, **{n: text for n, text in facts.items() if n in GATHERED}}


def _inside(tags: Mapping[str, str]) -> dict[str, str]:
    try:
        inside = json.loads(tags.get(LINEAGE, "{}"))
    except ValueError:
        return {}
    if not isinstance(inside, dict):
        return {}
    return {name: text for name, text in inside.items() if isinstance(text, str)}


def held_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the tags in which a registry holds these."""
    return (*names, LINEAGE) if GATHERED & set(names) else names


def filter_of(**texts: str) -> dict[str, str]:
    """Return the tags that a search asks for, each of them one of the table's."""
    if unknown := texts.keys() - _ASKED_FOR:
        raise ValueError(f"no version has tags of these names: {', '.join(sorted(unknown))}")
    return texts
