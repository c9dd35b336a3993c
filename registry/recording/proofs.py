"""Cheap proofs that a receipt still holds, without importing MLflow; in doubt the answer is no."""

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.registry.opening import open_reader
from quantgate.registry.protocol import RegistryReader
from quantgate.registry.recording.receipts import Receipt
from quantgate.registry.tracking import Tracking


def still_recorded(receipt: Receipt, tracking: Tracking) -> bool:
    """Whether the registry still holds what the receipt says: finished run, version, alias.

    Anything unexpected is False: then the caller records again, which finds what is there and completes it.
    """
    try:
        return _holds(receipt, open_reader(tracking))
    except ServiceError:
        return False


def _holds(receipt: Receipt, registry: RegistryReader) -> bool:
    """Ask for the run, and where a version was registered for that and the one its alias points at."""
    if registry.run_tags(receipt.run_id).get("evidence_key") != receipt.evidence_key:
        return False
    if receipt.version is None:
        return True
    version = registry.version_tags(receipt.model, receipt.version)
    return (
        version.get("version_key") == receipt.version_key
        and version.get("verdict") == receipt.decision
        and registry.alias_tags(receipt.model, receipt.alias).get("scope") == receipt.scope
    )
