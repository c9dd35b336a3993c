"""Weights that travel: sent where the setting says before a version says that they are there."""

from quantgate.pipelines.files.sealed import Manifest
from quantgate.registry.evidence import Evidence
from quantgate.registry.lineage_tag import filter_of
from quantgate.registry.protocol import Registry
from quantgate.registry.remotes.opening import open_remote
from quantgate.registry.remotes.sending import send_folder
from quantgate.registry.tags import NONE
from quantgate.registry.tracking import Tracking
from quantgate.registry.weights import REFERENCE, UPLOAD

_FOLDER = "weights"


def send_weights(
    registry: Registry,
    run_id: str,
    evidence: Evidence,
    manifest: Manifest[object],
    tracking: Tracking,
) -> str:
    """Send a variant's files, unless they lie there already, and return the address; `none` for `reference`.

    Raises:
        ServiceError, ToolchainError: the place does not answer, refuses, or cannot be reached from here.
    """
    if tracking.weights == REFERENCE:
        return NONE
    address = _address(registry, run_id, evidence, tracking)
    send_folder(evidence.variant.folder, manifest, open_remote(address, tracking))
    return address


def _address(registry: Registry, run_id: str, evidence: Evidence, tracking: Tracking) -> str:
    content = evidence.variant.files_digest
    if tracking.weights != UPLOAD:
        return f"{tracking.weights}/{content}"
    if tracking.artifact_root is not None:
        return f"{tracking.artifact_root.as_uri()}/{_FOLDER}/{content}"
    same = registry.versions(evidence.model, filter_of(files_digest=content))
    places = (version.tags.get("place", NONE) for version in same)
    run_place = f"{registry.artifact_uri(run_id)}/{_FOLDER}"
    scheme = run_place.partition(":")[0]
    return next((place for place in places if place.partition(":")[0] == scheme), run_place)
