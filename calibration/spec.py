"""Corpus specs: reviewed YAML that names sources and how many sequences to take from them."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from pipelines.specs.loading import Spec, load_yaml


class _SourceFile(Spec):
    path: str


class CorpusFile(Spec):
    """A corpus spec as a person writes it; source paths are relative to the file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    description: str = ""
    licence: str = ""
    sources: tuple[_SourceFile, ...] = Field(min_length=1)
    sequences: int = Field(gt=0)
    seed: int = 0


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
