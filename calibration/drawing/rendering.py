"""Sequences as a model sees them: through its chat template, in its tokens."""

from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import Digest, JsonObject, digest_of
from quantgate.pipelines.evaluation.chat import ChatFormat, Reading
from quantgate.pipelines.files.sources import source_digest


def rendering_digest(variables: JsonObject) -> Digest:
    """Return the identity of what turns a corpus into a checkpoint's tokens, beside corpus and checkpoint."""
    return digest_of(
        [source_digest(__name__, alone=("quantgate.calibration.shelf.tokens",)), variables]
    )


def reading_of(sequence: CorpusSequence, chat: ChatFormat) -> Reading:
    """Return a sequence as the model reads it.

    Conversations, with tools, go through the chat template; plain text gets what the tokenizer itself puts
    around it, as in training.

    Raises:
        InputError: where the template refuses it, naming the sequence.
    """
    try:
        if not sequence.messages:
            return chat.read_text(sequence.text)
        return chat.read(sequence.messages, ask=False, tools=sequence.tools)
    except InputError as error:
        raise InputError(
            error.what,
            where=f"sequence {sequence.id}",
            next_step="filter such conversations out in the corpus's spec, or say `rendering: raw`",
        ) from error


def rendered_text(sequence: CorpusSequence, chat: ChatFormat) -> str:
    """Return the text of `reading_of`."""
    return reading_of(sequence, chat).text


def rendered_ids(sequence: CorpusSequence, chat: ChatFormat) -> tuple[int, ...]:
    """Return the token ids of `reading_of`."""
    return reading_of(sequence, chat).token_ids
