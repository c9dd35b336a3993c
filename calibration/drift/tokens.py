"""Tokens of texts: a checkpoint's own, or without one words, digits and signs."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from typing_extensions import override

from quantgate.calibration.drift.features import Sparse, counted

WORDS = "words"
"""What results call the tokens where no model was named."""

REST = -1
"""The id that stands for all tokens that are not counted one by one."""

_COUNTED = 32_768
_TEXTS_AT_ONCE = 1000
_WORD = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]"  # no spaces between words
    r"|\d"  # numbers never repeat, their digits do
    r"|[^\W\d_]+"
    r"|[^\w\s]|_"
)


class TokenReader(Protocol):
    """Turns texts into token ids and those into something to read."""

    @property
    def name(self) -> str:
        """Return what the tokens are: part of a comparison's identity."""
        ...

    def ids(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return each text's token ids."""
        ...

    def shown(self, token_id: int) -> str:
        """Return a token as people can read it."""
        ...


class WordReader(TokenReader):
    """Words in lower case, single digits, single signs; numbered in the order they come."""

    def __init__(self) -> None:
        self._numbers: defaultdict[str, int] = defaultdict(lambda: len(self._numbers))

    @property
    @override
    def name(self) -> str:
        return WORDS

    @override
    def ids(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        number = self._numbers.__getitem__
        return [
            np.array(list(map(number, _WORD.findall(text.casefold()))), dtype=np.int64)
            for text in texts
        ]

    @override
    def shown(self, token_id: int) -> str:
        return next(word for word, number in self._numbers.items() if number == token_id)


@dataclass(frozen=True, slots=True)
class CheckpointTokens:
    """The tokens of a checkpoint's tokenizer; `name` holds the digest of that."""

    name: str
    tokenizer: Tokenizer

    def ids(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return each text's token ids, without any that the tokenizer puts around texts."""
        ids: list[NDArray[np.int64]] = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            batch = list(texts[start : start + _TEXTS_AT_ONCE])
            encoded = self.tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            ids += [np.array(encoding.ids, dtype=np.int64) for encoding in encoded]
        return ids

    def shown(self, token_id: int) -> str:
        """Return a token's text; its name in the vocabulary where it is only a part of a character."""
        text = self.tokenizer.decode([token_id], skip_special_tokens=False)
        broken = not text or "\ufffd" in text  # a token may be a part of a character
        return (self.tokenizer.id_to_token(token_id) or str(token_id)) if broken else text


def token_counts(
    rows: Sequence[NDArray[np.int64]], most: int = _COUNTED
) -> tuple[Sparse, NDArray[np.int64]]:
    """Return the counts of the `most` tokens that stand in the most rows, all others as one, and the ids.

    Which are counted one by one does not depend on which side a row is from, so the permutation test
    stays exact.
    """
    used, stands_in = np.unique(
        np.concatenate([np.unique(row) for row in rows]), return_counts=True
    )
    if len(used) <= most:
        return counted(rows)
    widest = np.sort(used[np.argsort(-stands_in, kind="stable")[:most]])
    return counted([np.where(np.isin(row, widest), row, REST) for row in rows])
