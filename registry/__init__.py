"""MLflow as the registry: record what was judged, register what passed, look it up, prove it.

    from quantgate.registry import lookup, verify
    variant = lookup("support-llama", suite="support-desk", max_size_bytes=4_000_000)
    verify(variant)                      # every byte against the sha256 it was registered with
    print(variant.artifact, variant.facts.verdict)

Importing this package is cheap: names are resolved on first use, and MLflow is imported by the first
call that has to talk to it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quantgate.registry.champions.requests import Decider, VersionName, retire, rollback, waive
    from quantgate.registry.champions.settling import Alias
    from quantgate.registry.corpora.datasets import record_corpus
    from quantgate.registry.corpora.drift import CorpusDrift
    from quantgate.registry.corpora.drift_recording import record_drift
    from quantgate.registry.evidence import Evidence
    from quantgate.registry.facts import Digests, RuntimeFacts, VersionFacts
    from quantgate.registry.integrity import verify, verify_listing
    from quantgate.registry.names import check_model_name, check_suite_name
    from quantgate.registry.places.pulling import Pulled, pull
    from quantgate.registry.protocol import AliasChange
    from quantgate.registry.questions.comparisons import (
        FactDifference,
        ItemDifference,
        VersionComparison,
        compare,
    )
    from quantgate.registry.questions.histories import HistoryEntry, ModelHistory, history
    from quantgate.registry.questions.lineages import Lineage, LineageStep, lineage
    from quantgate.registry.questions.lookups import lookup, lookup_all
    from quantgate.registry.questions.references import resolve_reference
    from quantgate.registry.questions.versions import PassedOver, RegisteredVersion
    from quantgate.registry.questions.wishes import Wishes
    from quantgate.registry.recording.proofs import still_recorded
    from quantgate.registry.recording.receipts import Receipt, find_receipt
    from quantgate.registry.recording.record import record
    from quantgate.registry.sizes import parse_size
    from quantgate.registry.tracking import Tracking

_HOMES = {
    "Alias": "quantgate.registry.champions.settling",
    "Decider": "quantgate.registry.champions.requests",
    "VersionName": "quantgate.registry.champions.requests",
    "retire": "quantgate.registry.champions.requests",
    "rollback": "quantgate.registry.champions.requests",
    "waive": "quantgate.registry.champions.requests",
    "AliasChange": "quantgate.registry.protocol",
    "VersionComparison": "quantgate.registry.questions.comparisons",
    "CorpusDrift": "quantgate.registry.corpora.drift",
    "Digests": "quantgate.registry.facts",
    "Evidence": "quantgate.registry.evidence",
    "FactDifference": "quantgate.registry.questions.comparisons",
    "HistoryEntry": "quantgate.registry.questions.histories",
    "ItemDifference": "quantgate.registry.questions.comparisons",
    "Lineage": "quantgate.registry.questions.lineages",
    "LineageStep": "quantgate.registry.questions.lineages",
    "ModelHistory": "quantgate.registry.questions.histories",
    "PassedOver": "quantgate.registry.questions.versions",
    "Pulled": "quantgate.registry.places.pulling",
    "Receipt": "quantgate.registry.recording.receipts",
    "RegisteredVersion": "quantgate.registry.questions.versions",
    "RuntimeFacts": "quantgate.registry.facts",
    "Tracking": "quantgate.registry.tracking",
    "VersionFacts": "quantgate.registry.facts",
    "Wishes": "quantgate.registry.questions.wishes",
    "check_model_name": "quantgate.registry.names",
    "check_suite_name": "quantgate.registry.names",
    "compare": "quantgate.registry.questions.comparisons",
    "find_receipt": "quantgate.registry.recording.receipts",
    "history": "quantgate.registry.questions.histories",
    "lineage": "quantgate.registry.questions.lineages",
    "lookup": "quantgate.registry.questions.lookups",
    "lookup_all": "quantgate.registry.questions.lookups",
    "parse_size": "quantgate.registry.sizes",
    "pull": "quantgate.registry.places.pulling",
    "record": "quantgate.registry.recording.record",
    "record_corpus": "quantgate.registry.corpora.datasets",
    "record_drift": "quantgate.registry.corpora.drift_recording",
    "resolve_reference": "quantgate.registry.questions.references",
    "still_recorded": "quantgate.registry.recording.proofs",
    "verify": "quantgate.registry.integrity",
    "verify_listing": "quantgate.registry.integrity",
}

__all__ = [
    "Alias",
    "AliasChange",
    "CorpusDrift",
    "Decider",
    "Digests",
    "Evidence",
    "FactDifference",
    "HistoryEntry",
    "ItemDifference",
    "Lineage",
    "LineageStep",
    "ModelHistory",
    "PassedOver",
    "Pulled",
    "Receipt",
    "RegisteredVersion",
    "RuntimeFacts",
    "Tracking",
    "VersionComparison",
    "VersionFacts",
    "VersionName",
    "Wishes",
    "check_model_name",
    "check_suite_name",
    "compare",
    "find_receipt",
    "history",
    "lineage",
    "lookup",
    "lookup_all",
    "parse_size",
    "pull",
    "record",
    "record_corpus",
    "record_drift",
    "resolve_reference",
    "retire",
    "rollback",
    "still_recorded",
    "verify",
    "verify_listing",
    "waive",
]


def __getattr__(name: str) -> object:
    """Import the module that holds a public name when the name is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'quantgate.registry' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
