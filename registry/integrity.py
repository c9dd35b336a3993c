"""Is what was registered still what is on disk? MLflow checks nothing; this hashes every byte."""

from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files import sealed
from quantgate.pipelines.files.records import read_json
from quantgate.registry.questions.versions import RegisteredVersion
from quantgate.registry.tags import NONE


def verify(version: RegisteredVersion) -> None:
    """Compare the variant's manifest with the registered digests, and the folder with the manifest.

    The artifact has to be the one that the manifest names: what a runtime would load is what was hashed.

    Raises:
        InputError: naming the file that is missing, altered or not in the manifest, the artifact that lies
            elsewhere, or the folder that is not here.
    """
    manifest = _registered_manifest(version, version.folder)
    _require_artifact(version)
    sealed.verify(version.folder, manifest)


def verify_listing(version: RegisteredVersion) -> None:
    """Compare what can be compared without reading the files: manifest, artifact, their names and sizes.

    Raises:
        InputError: as `verify`, but for bytes altered in a file that kept its size.
    """
    manifest = _registered_manifest(version, version.folder)
    _require_artifact(version)
    sealed.check_listing(version.folder, manifest)


def verified_manifest(version: RegisteredVersion, folder: Path) -> sealed.Manifest[object]:
    """Return the manifest of a copy of a version's files, every byte of which is what was registered.

    Raises:
        InputError: as `verify`, but for the artifact.
    """
    manifest = _registered_manifest(version, folder)
    sealed.verify(folder, manifest)
    return manifest


def check_manifest(
    version: RegisteredVersion, manifest: sealed.Manifest[object], *, where: str
) -> None:
    """Refuse a manifest that is not the registered one.

    Raises:
        InputError: naming it.
    """
    digests = version.facts.digests
    if (manifest.files_digest, manifest.digest) != (digests.files, digests.manifest):
        raise InputError(
            "the manifest is not the one that was registered",
            where=where,
            next_step=f"build the variant again, or look up another one than {version.uri}",
        )


def artifact_named(folder: Path) -> Path:
    """Return the artifact that a sealed folder's manifest names.

    Raises:
        InputError: it names none.
    """
    record = read_json(folder / sealed.MANIFEST)["record"]
    named = record.get("artifact") if isinstance(record, dict) else None
    if not isinstance(named, str):
        raise InputError(
            "its manifest names no artifact",
            where=str(folder),
            next_step="run the same build again",
        )
    return folder / named


def _registered_manifest(version: RegisteredVersion, folder: Path) -> sealed.Manifest[object]:
    if not folder.is_dir():
        fetched = f"fetch and verify its files: quantgate pull {version.model}/{version.version} --to FOLDER"
        raise InputError(
            "the variant's folder is not on this machine",
            where=str(folder),
            next_step="mount or copy the store it was built in, or build the variant here"
            if version.facts.place == NONE
            else fetched,
        )
    manifest: sealed.Manifest[object] = sealed.read_manifest(folder, object)
    check_manifest(version, manifest, where=str(folder / sealed.MANIFEST))
    return manifest


def _require_artifact(version: RegisteredVersion) -> None:
    named = artifact_named(version.folder)
    if version.artifact != named:
        raise InputError(
            f"the registered artifact is not the one that was built: the manifest names {named}",
            where=str(version.artifact),
            next_step="run the same build again, which registers where its files lie",
        )
