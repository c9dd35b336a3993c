"""Corpora by the names that commands take: a spec, which is built where it never was, or what is sealed."""

from pathlib import Path

from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.flows.build.corpora.finding import find_corpus
from quantgate.flows.build.corpora.sources import corpus_resources, spoken
from quantgate.flows.progress.board import PlainBoard, open_board
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.process.runner import run_worker

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
