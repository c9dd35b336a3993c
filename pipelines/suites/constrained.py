"""`decode.constrained: both`: items with a schema are asked twice, freely and bound by a grammar.

The two are items of their own, in slices of their own, so that each way is scored and judged apart; both
belong to one group, since they ask one question and are not independent.
"""

from collections.abc import Sequence
from dataclasses import replace

from quantgate.pipelines.domain.suites.suite import DecodeSettings, Item, SliceSpec

FREE, BOUND = "unconstrained", "constrained"
_SLICES = (
    SliceSpec(name=FREE, description="items with a JSON schema, answered freely"),
    SliceSpec(name=BOUND, description="the same items, bound to their schemas by a grammar"),
)


def asked_both_ways(
    items: Sequence[Item], decode: DecodeSettings, decided_ids: frozenset[str]
) -> tuple[Item, ...]:
    """Return items with each that has a schema twice: `x` and, right after it, `x+constrained`.

    `decode` are the suite's settings. `decided_ids` are items that say themselves whether they are bound:
    they are asked once, as they say.
    """
    return tuple(
        form
        for item in items
        for form in (
            (item,) if item.schema is None or item.id in decided_ids else _pair(item, decode)
        )
    )


def slices_both_ways(slices: Sequence[SliceSpec], items: Sequence[Item]) -> tuple[SliceSpec, ...]:
    """Return the suite's slices and the two that `asked_both_ways` added, where it added any."""
    names = {slice_spec.name for slice_spec in slices}
    used = {name for item in items for name in item.slices}
    added = (
        slice_spec
        for slice_spec in _SLICES
        if slice_spec.name in used and slice_spec.name not in names
    )
    return (*slices, *added)


def _pair(item: Item, decode: DecodeSettings) -> tuple[Item, Item]:
    group = item.group or item.id
    settings = item.decode or decode
    free = replace(item, group=group, slices=_with(item, FREE))
    bound = replace(
        item,
        id=f"{item.id}+{BOUND}",
        group=group,
        slices=_with(item, BOUND),
        decode=replace(settings, constrained=True),
    )
    return free, bound


def _with(item: Item, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*item.slices, name)))
