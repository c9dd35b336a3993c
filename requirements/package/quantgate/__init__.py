"""quantgate for programs: look up what passed, ask where it came from, prove that its bytes are the same.

    from quantgate import lookup, verify
    variant = lookup("support-llama", suite="support-desk", max_size_bytes=4_000_000)
    verify(variant)                      # every byte against the sha256 it was registered with
    print(variant.artifact, variant.facts.verdict)

An installation brings this one import name. Below it stand the four houses `pipelines`, `calibration`,
`registry` and `flows`; in a checkout they are links to the folders of these names. Importing this package
is cheap: names are resolved on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quantgate.pipelines.domain.errors import QuantgateError
    from quantgate.registry import (
        AliasChange,
        Digests,
        FactDifference,
        HistoryEntry,
        ItemDifference,
        Lineage,
        LineageStep,
        ModelHistory,
        PassedOver,
        Pulled,
        RegisteredVersion,
        RuntimeFacts,
        Tracking,
        VersionComparison,
        VersionFacts,
        Wishes,
        compare,
        history,
        lineage,
        lookup,
        lookup_all,
        parse_size,
        pull,
        resolve_reference,
        verify,
        verify_listing,
    )

__all__ = [
    "AliasChange",
    "Digests",
    "FactDifference",
    "HistoryEntry",
    "ItemDifference",
    "Lineage",
    "LineageStep",
    "ModelHistory",
    "PassedOver",
    "Pulled",
    "QuantgateError",
    "RegisteredVersion",
    "RuntimeFacts",
    "Tracking",
    "VersionComparison",
    "VersionFacts",
    "Wishes",
    "compare",
    "history",
    "lineage",
    "lookup",
    "lookup_all",
    "parse_size",
    "pull",
    "resolve_reference",
    "verify",
    "verify_listing",
]


def __getattr__(name: str) -> object:
    """Import the module that holds a public name when the name is first asked for (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'quantgate' has no attribute {name!r}")
    errors = name == "QuantgateError"
    home = import_module("quantgate.pipelines.domain.errors" if errors else "quantgate.registry")
    value: object = getattr(home, name)
    globals()[name] = value
    return value
