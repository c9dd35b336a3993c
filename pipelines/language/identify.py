"""Languages of many texts at once, the same on every machine.

The model is the one that the grader `language` uses. Here it walks a thousand texts side by
side and adds whole numbers instead of floats, so that no processor's rounding decides.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantgate.pipelines.language.model import load_identifier

UNKNOWN = "und"
"""ISO 639's code for a language that cannot be told."""

_NO_LANGUAGE = "zxx"
_SAID_AS = {_NO_LANGUAGE: UNKNOWN, "nn": "no"}
"""What the model calls no language (code, tables), and the two written standards of Norwegian as one."""
_READ_CHARACTERS = (400, 2000)
"""So much of a text is searched for prose; more where the first look found little."""
_LOOKED_AT_BYTES = 200
_FEWEST_LETTERS = 8
_SIDE_BY_SIDE = 1024
_SURE = 0.5
"""By how much the best language must lead, in nats per square root of bytes looked at: less gives nonsense a
language, more leaves true sentences of a few words without one (the test holds both)."""

_MARKS = frozenset('`<"')
_STRUCTURE = re.compile(
    r"```.*?(?:```|\Z)"  # code
    r"|`[^`\n]*`"
    r"|</?[a-zA-Z!][^<>\n]*>"  # markup
    r'|"[^"\s]*"(?=\s*[:,\]}])',  # JSON's keys, and its values of one word
    re.DOTALL,
)
_SYMBOL = re.compile(r"[0-9_@#\\/=<>{}|~^]")
_ASCII_WITH_SYMBOL = re.compile(r"[!-~]*?[0-9_@#\\/=<>{}|~^][!-~]*")

_WEIGHT_SCALE = 512
_COUNT_SCALE = 512
"""Scores are sums of products of whole numbers: 200 features, each at most 16 * 512 * log(2) * 512, stay
below 2**31."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    """The automaton (next state by state and byte, feature by state) and what each feature says.

    `weights` is (features, languages) of log-probabilities in 512ths; the file holds half-precision
    numbers between 2 and 16, for which these are exact.
    """

    next_state: NDArray[np.uint32]
    row_of: NDArray[np.int64]
    feature_of: NDArray[np.int32]
    weights: NDArray[np.int32]
    priors: NDArray[np.int32]
    languages: NDArray[np.str_]


def languages_of(texts: Sequence[str]) -> list[str]:
    """Return the ISO 639-1 code of each text's language, `und` where it has little prose or no clear one.

    Code, JSON, markup, addresses and numbers are left out; the first 200 bytes of the rest decide. Of 1980
    school-mathematics questions in 11 languages (MGSM) 99.8 % get their language, 0.2 % `und` and none
    another one; of their first 60 characters 99.1 %, 0.8 % and one question. Of 443 single sentences in 58
    languages (spaCy's examples) 89 %, 10 % and 2 %: near relatives such as Croatian and Serbian. Of 300
    texts of random letters none gets one. A row of 1 kB costs 0.05 ms; the first call another
    second, and 50 MB.
    """
    codes: list[str] = []
    for begin in range(0, len(texts), _SIDE_BY_SIDE):
        codes += _codes([_prose(text) for text in texts[begin : begin + _SIDE_BY_SIDE]])
    return codes


def _prose(text: str) -> bytes:
    """Return the start of what is said in a text, as the model was trained to read it."""
    said = ""
    for length in _READ_CHARACTERS:
        start = text[:length]
        if not _MARKS.isdisjoint(start):
            start = _STRUCTURE.sub(" ", start)
        said = " ".join(filter(None, map(_plain, start.split())))[:_LOOKED_AT_BYTES]
        if len(said) == _LOOKED_AT_BYTES or len(text) <= length:
            break
    if sum(map(str.isalpha, said[:64])) < _FEWEST_LETTERS:
        return b""
    said = unicodedata.normalize("NFC", said.lower() if said.isupper() else said)
    cut = said.encode("utf-8", errors="replace")[:_LOOKED_AT_BYTES]
    return cut.decode("utf-8", errors="ignore").encode()


def _plain(word: str) -> str:
    """Return a word of prose as it is, without its ASCII runs that hold digits or symbols."""
    if word.isalpha() or not _SYMBOL.search(word):
        return word
    return "" if word.isascii() else _ASCII_WITH_SYMBOL.sub(" ", word)


def _codes(starts: list[bytes]) -> list[str]:
    """Score all texts for all languages: counts of features, flattened by the logarithm, times weights."""
    from scipy.sparse import csr_array

    model = _model()
    features = _features(starts, model)
    rows, positions = np.nonzero(features >= 0)
    keys = rows * len(model.weights) + features[rows, positions]
    seen, counts = np.unique(keys, return_counts=True)
    worth = np.rint(np.log1p(counts) * _COUNT_SCALE).astype(np.int32)
    row_of, feature = np.divmod(seen, len(model.weights))
    table = csr_array((worth, (row_of, feature)), shape=(len(starts), len(model.weights)))
    scores = table @ model.weights + model.priors
    lengths = np.array([len(start) for start in starts])
    return _decided(scores, lengths, model.languages)


def _decided(
    scores: NDArray[np.int32], lengths_bytes: NDArray[np.int64], languages: NDArray[np.str_]
) -> list[str]:
    """Return each row's best language, or `und` where the next one is near or there was nothing to read."""
    best = scores.argmax(axis=1)
    top = np.partition(scores, -2, axis=1)[:, -2:].astype(np.int64)
    lead = top[:, 1] - top[:, 0]
    lead_needed = _SURE * _WEIGHT_SCALE * _COUNT_SCALE * np.sqrt(lengths_bytes)
    sure = (lead >= lead_needed) & (lengths_bytes > 0)
    return [str(code) for code in np.where(sure, languages[best], UNKNOWN)]


def _features(starts: list[bytes], model: _Model) -> NDArray[np.int32]:
    """Return (texts, longest text) features, -1 where none ends: all automata take one step a position."""
    longest = max(map(len, starts), default=0)
    padded = b"".join(start.ljust(longest, b"\0") for start in starts)
    letters = np.frombuffer(padded, dtype=np.uint8).reshape(len(starts), longest)
    state = np.zeros(len(starts), dtype=np.int64)
    features = np.full((len(starts), longest), -1, dtype=np.int32)
    for position in range(longest):
        state = model.next_state[model.row_of[state] + letters[:, position]].astype(np.int64)
        features[:, position] = model.feature_of[state]
    ends = np.array([len(start) for start in starts])
    features[np.arange(longest) >= ends[:, None]] = -1
    return features


@lru_cache(maxsize=1)
def _model() -> _Model:
    identifier: Any = load_identifier()
    names = identifier.nb_classes
    kept = [i for i, name in enumerate(names) if len(name) == 2 or name == _NO_LANGUAGE]
    weights = identifier.nb_ptc[:, kept].astype(np.float32) * _WEIGHT_SCALE
    priors = identifier.nb_pc[kept].astype(np.float64) * _WEIGHT_SCALE * _COUNT_SCALE
    return _Model(
        next_state=np.asarray(identifier.tk_nextmove, dtype=np.uint32),
        row_of=np.asarray(identifier.tk_row, dtype=np.int64) << 8,
        feature_of=np.asarray(identifier.tk_output, dtype=np.int32),
        weights=np.ascontiguousarray(np.rint(weights).astype(np.int32)),
        priors=np.rint(priors).astype(np.int32),
        languages=np.array([_SAID_AS.get(names[i], names[i]) for i in kept]),
    )
