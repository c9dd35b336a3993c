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
    from quantgate.registry.corpora.datasets import record_corpus
    from quantgate.registry.corpora.drift import CorpusDrift
    from quantgate.registry.corpora.drift_recording import record_drift
    from quantgate.registry.evidence import Evidence
    from quantgate.registry.facts import Digests, RuntimeFacts, VersionFacts
    from quantgate.registry.integrity import verify
    from quantgate.registry.lineages import Lineage, LineageStep, lineage
    from quantgate.registry.lookups import RegisteredVersion, lookup
    from quantgate.registry.names import check_model_name, check_suite_name
    from quantgate.registry.recording.proofs import still_recorded
    from quantgate.registry.recording.receipts import Receipt, find_receipt
    from quantgate.registry.recording.record import record
    from quantgate.registry.sizes import parse_size
    from quantgate.registry.tracking import Tracking

_HOMES = {
    "CorpusDrift": "quantgate.registry.corpora.drift",
    "Digests": "quantgate.registry.facts",
    "Evidence": "quantgate.registry.evidence",
    "RegisteredVersion": "quantgate.registry.lookups",
    "Lineage": "quantgate.registry.lineages",
    "LineageStep": "quantgate.registry.lineages",
    "Receipt": "quantgate.registry.recording.receipts",
    "RuntimeFacts": "quantgate.registry.facts",
    "Tracking": "quantgate.registry.tracking",
    "VersionFacts": "quantgate.registry.facts",
    "check_model_name": "quantgate.registry.names",
    "check_suite_name": "quantgate.registry.names",
    "find_receipt": "quantgate.registry.recording.receipts",
    "lineage": "quantgate.registry.lineages",
    "lookup": "quantgate.registry.lookups",
    "parse_size": "quantgate.registry.sizes",
    "record": "quantgate.registry.recording.record",
    "record_corpus": "quantgate.registry.corpora.datasets",
    "record_drift": "quantgate.registry.corpora.drift_recording",
    "still_recorded": "quantgate.registry.recording.proofs",
    "verify": "quantgate.registry.integrity",
}

__all__ = [
    "CorpusDrift",
    "Digests",
    "Evidence",
    "Lineage",
    "LineageStep",
    "Receipt",
    "RegisteredVersion",
    "RuntimeFacts",
    "Tracking",
    "VersionFacts",
    "check_model_name",
    "check_suite_name",
    "find_receipt",
    "lineage",
    "lookup",
    "parse_size",
    "record",
    "record_corpus",
    "record_drift",
    "still_recorded",
    "verify",
]


def __getattr__(name: str) -> object:
    """Import the module that holds a public name when the name is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'quantgate.registry' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
