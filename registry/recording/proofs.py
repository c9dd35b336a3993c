"""Cheap proofs that a receipt still holds, without importing MLflow; in doubt the answer is no."""

from collections.abc import Mapping

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.registry.champions.judged import on_suite
from quantgate.registry.opening import open_light_reader
from quantgate.registry.protocol import RegistryReader
from quantgate.registry.recording.receipts import Receipt
from quantgate.registry.tracking import Tracking


def still_recorded(receipt: Receipt, tracking: Tracking) -> bool:
    """Whether the registry still holds what the receipt says: finished run, version, alias.

    Anything unexpected is False: then the caller records again, which finds what is there and completes it.
    """
    try:
        with open_light_reader(tracking) as reader:
            return reader is not None and _holds(receipt, reader)
    except ServiceError:
        return False


def _holds(receipt: Receipt, registry: RegistryReader) -> bool:
    """Ask for the run, and where a version was registered for that and for its suite's alias.

    Whose alias it is does not matter: newer evidence, or somebody's wish, may have moved it.
    """
    if registry.run_tags(receipt.run_id).get("evidence_key") != receipt.evidence_key:
        return False
    if receipt.version is None:
        return True
    version = registry.version(receipt.model, receipt.version)
    if version is None or not _says_so(receipt, version.tags):
        return False
    return receipt.alias in (registry.aliases(receipt.model) or {})


def _says_so(receipt: Receipt, version: Mapping[str, str]) -> bool:
    """Whether a version says what was recorded of it, or what a newer base, suite or policy made of it."""
    seen = on_suite(version, receipt.alias)
    if seen is None or seen.get("subject_key") != receipt.subject_key:
        return False
    if seen.get("scope") != receipt.scope:
        return True
    held = seen.get("version_key"), seen.get("evidence_key"), seen.get("verdict")
    return held == (receipt.version_key, receipt.evidence_key, receipt.decision)
