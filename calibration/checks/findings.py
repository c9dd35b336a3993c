"""What is found of a corpus against a suite, kept in the store by content: nothing is computed twice."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from quantgate.calibration.checks.contamination import Contamination, contaminations
from quantgate.calibration.checks.coverage import Lack, Profiler, lacks, text_of
from quantgate.calibration.checks.effective_use import (
    EffectiveUse,
    effective_use,
    no_supply,
    supply_of,
)
from quantgate.calibration.checks.health import Examiner, Health
from quantgate.calibration.shelf.sealing import iterate_sequences
from quantgate.calibration.shelf.tokens import calibration_tokens
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.engines.backend import CalibrationTokens
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.records import read_record, write_record
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store

Record = TypeVar("Record")
Element = TypeVar("Element")

_LOOKED_AT = ("quantgate.calibration.checks.coverage", "quantgate.calibration.checks.health")
_ALONE = (__name__, "quantgate.calibration.shelf.sealing")
"""What reads a corpus for these looks."""
_KEY_LENGTH = 16
_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """The items of a suite that a corpus holds."""

    found: tuple[Contamination, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteCoverage:
    """What one pass over a corpus tells: its health, and what of the suite it lacks."""

    health: Health
    lacks: tuple[Lack, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeUse:
    """What a recipe takes of a corpus, and the tokens it is handed; None where there are none."""

    use: EffectiveUse
    tokens: CalibrationTokens | None


def overlap_of(corpus: Corpus, suite: Suite, store: Store, threads: int) -> Overlap:
    """Return which items the corpus holds."""
    code = source_digest("quantgate.calibration.checks.contamination", alone=_ALONE)
    key = digest_of([corpus.label, corpus.digest, suite.digest, code])

    def search() -> Overlap:
        copies = contaminations(iterate_sequences(corpus), suite.items, threads=threads)
        return Overlap(found=copies)

    return _kept(_file(store, "contamination", corpus, key), Overlap, search)


def coverage_of(corpus: Corpus, suite: Suite, store: Store) -> SuiteCoverage:
    """Return the corpus's health and what of the suite it lacks."""
    code = source_digest(*_LOOKED_AT, alone=_ALONE)
    key = digest_of([corpus.label, corpus.digest, suite.digest, code])

    def cover() -> SuiteCoverage:
        profiler, examiner = Profiler(), Examiner()
        for batch in _batches(iterate_sequences(corpus), _BATCH):
            texts = [text_of(sequence) for sequence in batch]
            profiler.add(batch, texts)
            examiner.add(batch, texts)
        return SuiteCoverage(health=examiner.health(), lacks=lacks(suite, profiler.profile()))

    return _kept(_file(store, "look", corpus, key), SuiteCoverage, cover)


def use_of(
    corpus: Corpus, recipe: Recipe, chat: ChatFormat, *, context_length_tokens: int, scratch: Path
) -> RecipeUse:
    """Return what a calibrated recipe takes; the tokens are those that its build will read.

    `scratch` is the checkpoint's folder in the store.

    Raises:
        InputError: where the chat template refuses a conversation.
    """
    try:
        tokens = calibration_tokens(
            corpus,
            chat,
            context_length_tokens=context_length_tokens,
            target_tokens=recipe.calibration_tokens,
            folder=scratch,
        )
    except InputError as error:
        if error.where != f"corpus {corpus.label}":
            raise
        return RecipeUse(use=effective_use(recipe, no_supply(corpus)), tokens=None)
    return RecipeUse(use=effective_use(recipe, supply_of(corpus, tokens)), tokens=tokens)


def _file(store: Store, what: str, corpus: Corpus, key: Digest) -> Path:
    name = f"{corpus.label}--{key[:_KEY_LENGTH]}.json"
    return store.root / "corpus-checks" / what / name


def _kept(path: Path, record_type: type[Record], make: Callable[[], Record]) -> Record:
    try:
        return read_record(record_type, path)
    except InputError:  # there is none yet, or it is damaged
        made = make()
        write_record(path, made)
        return made


def _batches(elements: Iterable[Element], size: int) -> Iterator[list[Element]]:
    iterator = iter(elements)
    while batch := list(islice(iterator, size)):
        yield batch
