"""Is what was registered still what is on disk? MLflow checks nothing; this hashes every byte."""

from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files import sealed
from quantgate.pipelines.files.records import read_json
from quantgate.registry.lookups import RegisteredVersion


def verify(version: RegisteredVersion) -> None:
    """Compare the variant's manifest with the registered digests, and the folder with the manifest.

    The artifact has to be the one that the manifest names: what a runtime would load is what was hashed.

    Raises:
        InputError: naming the file that is missing, altered or not in the manifest, the artifact that lies
            elsewhere, or the folder that is not here.
    """
    folder = version.folder
    if not folder.is_dir():
        raise InputError(
            "the variant's folder is not on this machine",
            where=str(folder),
            next_step="mount or copy the store it was built in, or build the variant here",
        )
    manifest: sealed.Manifest[object] = sealed.read_manifest(folder, object)
    digests = version.facts.digests
    if (manifest.files_digest, manifest.digest) != (digests.files, digests.manifest):
        raise InputError(
            "the manifest is not the one that was registered",
            where=str(folder / sealed.MANIFEST),
            next_step=f"build the variant again, or look up another one than {version.uri}",
        )
    _require_artifact(version, folder)
    sealed.verify(folder, manifest)


def _require_artifact(version: RegisteredVersion, folder: Path) -> None:
    record = read_json(folder / sealed.MANIFEST)["record"]
    named = record.get("artifact") if isinstance(record, dict) else None
    if not isinstance(named, str) or version.artifact != folder / named:
        raise InputError(
            f"the registered artifact is not the one that was built: the manifest names {named}",
            where=str(version.artifact),
            next_step="run the same build again, which registers where its files lie",
        )
