"""Vocabularies as llguidance reads them: from the bytes of each token, or from a tokenizer's own file."""

from collections.abc import Sequence
from dataclasses import dataclass

from llguidance import LLTokenizer, TokenizerWrapper
from tokenizers import Tokenizer

from quantgate.pipelines.domain.errors import ToolchainError

TokenBytes = LLTokenizer
"""The bytes that every token of a vocabulary adds to an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pieces:
    """What llguidance asks of a tokenizer, by its names; which tokens end an answer `Binder` knows."""

    tokens: Sequence[bytes]
    eos_token_id: None = None
    bos_token_id: None = None

    def __call__(self, text: bytes) -> list[int]:
        """Return no tokens: nothing is tokenized where nothing is forced."""
        del text
        return []


def vocabulary_of_pieces(pieces: Sequence[bytes]) -> TokenBytes:
    """Return the vocabulary in which each token adds these bytes to an answer; none are never allowed."""
    return LLTokenizer(TokenizerWrapper(_Pieces(tokens=pieces)), slices=LLTokenizer.json_slices())


def vocabulary_of_tokenizer(tokenizer: Tokenizer, stop_token_ids: frozenset[int]) -> TokenBytes:
    """Return the vocabulary of a checkpoint's tokenizer, in which stop tokens are no text.

    Raises:
        ToolchainError: where llguidance cannot tell what bytes its tokens are.
    """
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    ends = sorted(token for token in stop_token_ids if token < size)
    try:
        return LLTokenizer(
            tokenizer.to_str(), eos_token=ends or None, slices=LLTokenizer.json_slices()
        )
    except BaseException as error:
        # It raises ValueError, and where it panics a class that is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ToolchainError(
            f"llguidance cannot read the tokenizer, so that nothing binds answers here: {error}",
            next_step="judge it in llama.cpp, or ask these items without `constrained`",
        ) from error
