"""Sealed corpora by the names that people call them."""

from quantgate.calibration.shelf.sealing import open_corpus, sealed_versions
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import NotFoundError
from quantgate.pipelines.specs.loading import did_you_mean


def find_corpus(reference: str, settings: Settings) -> Corpus:
    """Return a sealed corpus by `name` (its latest version) or `name@version`, its bytes verified.

    Raises:
        NotFoundError: where the store has no such corpus or version, naming what it has.
        InputError: where its sealed files were altered.
    """
    name, _, version = reference.partition("@")
    folder = settings.store.root / "corpora"
    names = (
        sorted(p.name for p in folder.iterdir() if sealed_versions(p)) if folder.is_dir() else []
    )
    if name not in names:
        raise NotFoundError(
            f"there is no corpus '{name}'{did_you_mean(name, names)}",
            where=str(folder),
            next_step="`quantgate corpus list` names what is there, `corpus build SPEC` makes one",
        )
    versions = sealed_versions(folder / name)
    if version and version not in map(str, versions):
        raise NotFoundError(
            f"corpus {name} has no version '{version}'; it has {', '.join(map(str, versions))}",
            where=str(folder),
            next_step="name one of these versions, or none for the latest",
        )
    return open_corpus(folder / name / (version or str(versions[-1])))
