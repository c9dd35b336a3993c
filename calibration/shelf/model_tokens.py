"""Token statistics of sealed corpora under a model's tokenizer, kept beside them: a seal is closed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quantgate.calibration.drawing.rendering import rendered_ids
from quantgate.calibration.shelf.card import TokenStatistics, token_statistics
from quantgate.calibration.shelf.sealing import (
    corpus_record,
    iterate_sequences,
    read_card,
    tokenizer_digest,
)
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.records import read_record, write_record


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTokens:
    """What a corpus is to one model; `model` is as the user named it."""

    model: str
    statistics: TokenStatistics


def count_tokens(corpus: Corpus, model: str, chat: ChatFormat) -> ModelTokens:
    """Return a corpus's token statistics, counted now if they never were.

    Raises:
        InputError: where the model's chat template refuses a conversation.
    """
    path = _folder(corpus) / f"{corpus.digest[:16]}-{tokenizer_digest(chat)[:16]}.json"
    if path.is_file():
        return read_record(ModelTokens, path)
    sequences = tuple(iterate_sequences(corpus))
    counts = [len(rendered_ids(sequence, chat)) for sequence in sequences]
    statistics = token_statistics(counts, sequences, tokenizer_digest(chat))
    counted = ModelTokens(model=model, statistics=statistics)
    write_record(path, counted)
    return counted


def counted_tokens(corpus: Corpus) -> Iterator[ModelTokens]:
    """Yield all statistics that are known: the card's own, and those counted for models."""
    card = read_card(corpus)
    if card is not None and card.tokens is not None:
        yield ModelTokens(model=f"the spec of {corpus_record(corpus).name}", statistics=card.tokens)
    for path in sorted(_folder(corpus).glob(f"{corpus.digest[:16]}-*.json")):
        yield read_record(ModelTokens, path)


def _folder(corpus: Corpus) -> Path:
    return corpus.folder.parent / ".tokens"
