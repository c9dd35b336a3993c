"""Is what was registered still what is on disk? MLflow checks nothing; this hashes every byte."""

from pipelines.domain.errors import InputError
from pipelines.files import sealed
from registry.lookups import Found


def verify(found: Found) -> None:
    """Compare the variant's manifest with the registered digest, and every file with the manifest.

    Raises:
        InputError: naming the file that is missing or altered, or the folder that is not here.
    """
    folder = found.folder
    if not folder.is_dir():
        raise InputError(
            "the variant's folder is not on this machine",
            where=str(folder),
            next_step="mount or copy the store it was built in, or build the variant here",
        )
    manifest: sealed.Manifest[object] = sealed.read_manifest(folder, object)
    if manifest.files_digest != found.facts.digests.files:
        raise InputError(
            "the manifest is not the one that was registered",
            where=str(folder / sealed.MANIFEST),
            next_step=f"build the variant again, or look up another one than {found.uri}",
        )
    sealed.verify(folder, manifest)
