"""Corpora by the names that commands take: a spec, which is built where it never was, or what is sealed."""

from pathlib import Path

from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.shelf.sealing import open_corpus, sealed_versions
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.flows.build.corpora.sources import corpus_resources, spoken
from quantgate.flows.progress.board import PlainBoard, open_board
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import NotFoundError
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.loading import did_you_mean

_SPEC_ENDINGS = (".yaml", ".yml")
_KEPT_SPECS = Path(__file__).resolve().parents[3] / "calibration" / "corpora"


def build_from_spec(spec: Path, settings: Settings) -> Corpus:
    """Return the corpus of a spec, built now if it never was, with progress on standard error.

    Raises:
        InputError, ServiceError, WorkerError, ToolchainError: as `build_corpus`.
    """
    loaded = load_corpus_spec(_spec_file(spec))
    with open_board() as board, board.unit("corpus", loaded.name) as progress:
        hear = spoken(board.say) if isinstance(board, PlainBoard) else progress
        return build_corpus(loaded, settings.store, corpus_resources(settings, run_worker, hear))


def _spec_file(spec: Path) -> Path:
    """Return a spec's file; a bare name stands for one that is kept in calibration/corpora."""
    kept = _KEPT_SPECS / f"{spec}.yaml"
    return kept if len(spec.parts) == 1 and not spec.exists() and kept.is_file() else spec


def find_or_build(reference: str, settings: Settings) -> Corpus:
    """Return the corpus that `NAME[@VERSION]` or a spec's path names.

    Raises:
        NotFoundError, InputError, ServiceError, WorkerError: as `find_corpus` and `build_from_spec`.
    """
    if reference.endswith(_SPEC_ENDINGS):
        return build_from_spec(Path(reference), settings)
    return find_corpus(reference, settings)


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
        )
    return open_corpus(folder / name / (version or str(versions[-1])))
