"""MLflow as the registry: record what was judged, register what passed, look it up, prove it.

    from registry import lookup, verify
    found = lookup("support-llama", suite="support-desk", max_size_bytes=4_000_000)
    verify(found)                      # every byte against the sha256 it was registered with
    print(found.artifact, found.facts.verdict)

Importing this package is cheap: names are resolved on first use, and MLflow is imported by the first
call that has to talk to it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry.corpora.datasets import record_corpus
    from registry.corpora.drift import CorpusDrift
    from registry.corpora.drift_recording import record_drift
    from registry.evidence import Evidence
    from registry.facts import Digests, RuntimeFacts, VersionFacts
    from registry.integrity import verify
    from registry.lineages import Lineage, LineageStep, lineage
    from registry.lookups import Found, lookup
    from registry.names import check_model_name, check_suite_name
    from registry.recording.proofs import still_recorded
    from registry.recording.receipts import Receipt, find_receipt
    from registry.recording.record import record
    from registry.sizes import parse_size
    from registry.tracking import Tracking

_HOMES = {
    "CorpusDrift": "registry.corpora.drift",
    "Digests": "registry.facts",
    "Evidence": "registry.evidence",
    "Found": "registry.lookups",
    "Lineage": "registry.lineages",
    "LineageStep": "registry.lineages",
    "Receipt": "registry.recording.receipts",
    "RuntimeFacts": "registry.facts",
    "Tracking": "registry.tracking",
    "VersionFacts": "registry.facts",
    "check_model_name": "registry.names",
    "check_suite_name": "registry.names",
    "find_receipt": "registry.recording.receipts",
    "lineage": "registry.lineages",
    "lookup": "registry.lookups",
    "parse_size": "registry.sizes",
    "record": "registry.recording.record",
    "record_corpus": "registry.corpora.datasets",
    "record_drift": "registry.corpora.drift_recording",
    "still_recorded": "registry.recording.proofs",
    "verify": "registry.integrity",
}

__all__ = [
    "CorpusDrift",
    "Digests",
    "Evidence",
    "Found",
    "Lineage",
    "LineageStep",
    "Receipt",
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
        raise AttributeError(f"module 'registry' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
