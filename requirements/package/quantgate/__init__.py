"""quantgate for programs: look up what passed, ask where it came from, prove that its bytes are the same.

    from quantgate import lookup, verify
    variant = lookup("support-llama", suite="support-desk", max_size_bytes=4_000_000)
    verify(variant)                      # every byte against the sha256 it was registered with
    print(variant.artifact, variant.facts.verdict)

    import quantgate as qg
    build = qg.quantize("build.yaml")    # or qg.open_build(NAME), or qg.demo()
    build.to_frame(), build.changed("Q2_K"), qg.judge(run_a, run_b)
    qg.compare("name/1", "name/2"), qg.compare(qg.open_build(A), qg.open_build(B))

An installation brings this one import name. Below it stand the four houses `pipelines`, `calibration`,
`registry` and `flows`; in a checkout they are links to the folders of these names. Importing this package
is cheap: names are resolved on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quantgate.flows.interface.builds import Build, demo, open_build, quantize
    from quantgate.flows.interface.changes import AnswerChange, AnswerChanges
    from quantgate.flows.interface.comparing import compare
    from quantgate.flows.interface.judging import JudgedRun, JudgedSlice, judge
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
    "AnswerChange",
    "AnswerChanges",
    "Build",
    "Digests",
    "FactDifference",
    "HistoryEntry",
    "ItemDifference",
    "JudgedRun",
    "JudgedSlice",
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
    "demo",
    "history",
    "judge",
    "lineage",
    "lookup",
    "lookup_all",
    "open_build",
    "parse_size",
    "pull",
    "quantize",
    "resolve_reference",
    "verify",
    "verify_listing",
]


_INTERFACE = "quantgate.flows.interface"
_HOMES = {
    "QuantgateError": "quantgate.pipelines.domain.errors",
    **dict.fromkeys(("Build", "demo", "open_build", "quantize"), f"{_INTERFACE}.builds"),
    "compare": f"{_INTERFACE}.comparing",
    **dict.fromkeys(("AnswerChange", "AnswerChanges"), f"{_INTERFACE}.changes"),
    **dict.fromkeys(("JudgedSlice", "JudgedRun", "judge"), f"{_INTERFACE}.judging"),
}
"""Where public names are that the registry does not hold."""


def __getattr__(name: str) -> object:
    """Import the module that holds a public name when the name is first asked for (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'quantgate' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES.get(name, "quantgate.registry")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name what is public, for those who look around in a notebook."""
    return __all__
