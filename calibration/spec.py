"""Corpus specs: reviewed YAML that names sources and how many sequences to take from them."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from pipelines.specs.loading import Spec, load_yaml


class _SourceFile(Spec):
    """Where text comes from."""

    path: str
    """JSON-lines file of conversations or texts, relative to the spec."""


class CorpusFile(Spec):
    """A corpus spec: what calibration may look at."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """What it is registered as, with a version: `name@version`."""
    description: str = ""
    """What it holds."""
    licence: str = ""
    """Under which terms it may be used."""
    sources: tuple[_SourceFile, ...] = Field(min_length=1)
    """Files that sequences are taken from."""
    sequences: int = Field(gt=0)
    """How many sequences are sampled from all sources together."""
    seed: int = 0
    """Seed of that sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSpec:
    """What a corpus is made of: `sequences` rows sampled by `seed` from all `sources` together."""

    name: str
    description: str
    licence: str
    sources: tuple[Path, ...]
    sequences: int
    seed: int


def load_corpus_spec(path: Path) -> CorpusSpec:
    """Read a corpus spec.

    Raises:
        InputError: with every problem of the file.
    """
    file = load_yaml(path, CorpusFile)
    return CorpusSpec(
        name=file.name,
        description=file.description,
        licence=file.licence,
        sources=tuple(path.resolve().parent / source.path for source in file.sources),
        sequences=file.sequences,
        seed=file.seed,
    )
