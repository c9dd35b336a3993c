"""Sequences as a model sees them: through its chat template, in its tokens."""

from pipelines.domain.corpus import CorpusSequence
from pipelines.domain.errors import InputError
from pipelines.evaluation.chat import ChatFormat


def rendered_text(sequence: CorpusSequence, chat: ChatFormat) -> str:
    """Return a sequence as the model would see it: conversations, with tools, through the chat template.

    Raises:
        InputError: where the template refuses it, naming the sequence.
    """
    if not sequence.messages:
        return sequence.text
    try:
        return chat.render(sequence.messages, ask=False, tools=sequence.tools)
    except InputError as error:
        raise InputError(
            error.what,
            where=f"sequence {sequence.id}",
            next_step="filter such conversations out in the corpus's spec, or say `rendering: raw`",
        ) from error


def rendered_ids(sequence: CorpusSequence, chat: ChatFormat) -> tuple[int, ...]:
    """Return the token ids of `rendered_text`."""
    return chat.token_ids(rendered_text(sequence, chat))
