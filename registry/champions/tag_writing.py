"""Writing a version's tags: what differs alone, gathered as registries hold them, the seal last."""

from collections.abc import Mapping

from quantgate.registry.lineage_tag import GATHERED, LINEAGE, gathered, gathered_names
from quantgate.registry.protocol import RecordedVersion, Registry
from quantgate.registry.seals import SEAL


def set_tags(
    registry: Registry, model: str, version: RecordedVersion, tags: Mapping[str, str]
) -> None:
    """Let a version have these tags; until the seal is set, look-ups say that it is altered.

    Of a version from before tags were gathered, those that are now go. One that an earlier release gathered,
    and this one does not, is read with the others and gets a tag of its own.
    """
    held, before = gathered(tags), gathered_names(version.tags)
    for key in sorted(held, key=lambda name: name == SEAL):
        if version.tags.get(key) != held[key] or key in before:
            registry.set_version_tag(model, version.number, key, held[key])
    if LINEAGE not in version.tags:
        for key in sorted(version.tags.keys() & GATHERED):
            registry.delete_version_tag(model, version.number, key)
