"""The words of many texts at once, as 64-bit numbers: Unicode form, case and punctuation are levelled.

A word is a run of letters, marks and digits; in scripts that put no spaces between words (Chinese, Japanese,
Thai, Lao, Khmer, Burmese) it is each pair of neighbouring characters. Commas and points between digits are
dropped: `80,000`, `80.000` and `80000` are one word. Everything is array arithmetic over code points, so that
a gigabyte of text takes half a minute of one core and not the many minutes of a loop over words.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy
from numpy.typing import NDArray

from quantgate.pipelines.language.code_points import CODE_POINTS, CodePointTable

Hashes = NDArray[numpy.uint64]
Places = NDArray[numpy.int64]

_NOT_WORD = re.compile(r"[\W_]+")
_BETWEEN = "\x1e"
_COMMAS = frozenset(map(ord, ",."))
_SEPARATOR, _LETTER, _DIGIT, _ALONE, _COMMA = range(5)
_SPACELESS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x4DBF),  # Chinese characters, extension A
    (0x4E00, 0x9FFF),  # Chinese characters
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)
_ASCII = 128
_MULTIPLIER = 0x9E3779B97F4A7C15
_MIXER = numpy.uint64(0xBF58476D1CE4E5B9)
_PAIR = numpy.uint64(0x94D049BB133111EB)
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Words of some texts in order: their hashes, and where each text's begin.

    `bounds` has one entry more than there are texts. `starts` and `ends` are the words' places in
    `levelled`, the texts as they were read.
    """

    hashes: Hashes
    bounds: Places
    starts: Places
    ends: Places
    levelled: str

    def spelled(self, at: int) -> str:
        """Return a word as it is compared."""
        return self.levelled[self.starts[at] : self.ends[at]]


def words_of(texts: Sequence[str]) -> Words:
    """Return the words of texts; a text without any has none."""
    joined = levelled(_BETWEEN.join(text.replace(_BETWEEN, " ") for text in texts))
    codes = _codes(joined)
    kinds = _commas_settled(_KINDS.of(codes))
    inside = kinds != _SEPARATOR
    inside &= kinds != _COMMA
    alone = kinds == _ALONE
    starts, ends = _edges(inside, alone, kinds)
    hashes = _hashed(codes, kinds, starts, ends)
    if alone.any():
        hashes = _paired(hashes, alone[starts], starts, ends)
    breaks = numpy.flatnonzero(codes == ord(_BETWEEN))
    bounds = numpy.concatenate(([0], numpy.searchsorted(starts, breaks), [len(starts)]))
    return Words(hashes=hashes, bounds=bounds, starts=starts, ends=ends, levelled=joined)


def run_hashes(hashes: Hashes, starts: Places, ends: Places) -> Hashes:
    """Return one number for each run of words, which depends on the words and their order."""
    powers, inverses = _powers(_room(len(hashes)))
    sums = numpy.zeros(len(hashes) + 1, dtype=numpy.uint64)
    numpy.cumsum(hashes * powers[: len(hashes)], out=sums[1:])
    return _mixed((sums[ends] - sums[starts]) * inverses[starts])


def levelled(text: str) -> str:
    """Level Unicode form (NFKC) and case."""
    if text.isascii():
        return text.lower()
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    return text.casefold()


def normalized(text: str) -> str:
    """Level case, punctuation, spacing and Unicode form."""
    return _NOT_WORD.sub(" ", levelled(text)).strip()


def _codes(text: str) -> NDArray[numpy.uint8] | NDArray[numpy.uint32]:
    if text.isascii():
        return numpy.frombuffer(text.encode("ascii"), dtype=numpy.uint8)
    return numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=numpy.uint32)


def _commas_settled(kinds: NDArray[numpy.uint8]) -> NDArray[numpy.uint8]:
    """A comma or point between two digits stays one, and words run across it; any other separates."""
    commas = numpy.flatnonzero(kinds == _COMMA)
    if not len(commas):
        return kinds
    before = kinds[numpy.maximum(commas - 1, 0)] == _DIGIT
    after = kinds[numpy.minimum(commas + 1, len(kinds) - 1)] == _DIGIT
    kinds[commas[~(before & after)]] = _SEPARATOR
    return kinds


def _edges(
    inside: NDArray[numpy.bool_], alone: NDArray[numpy.bool_], kinds: NDArray[numpy.uint8]
) -> tuple[Places, Places]:
    """Where words start and end (exclusive)."""
    bridged = inside | (kinds == _COMMA)
    if not len(bridged):
        return numpy.zeros(0, numpy.int64), numpy.zeros(0, numpy.int64)
    changes = numpy.empty(len(bridged) + 1, dtype=bool)
    changes[0], changes[-1] = bridged[0], bridged[-1]
    numpy.not_equal(bridged[1:], bridged[:-1], out=changes[1:-1])
    if not alone.any():
        edges = numpy.flatnonzero(changes)
        return edges[0::2], edges[1::2]
    split = numpy.zeros(len(changes), dtype=bool)
    split[1:-1] = (alone[1:] | alone[:-1]) & bridged[1:] & bridged[:-1]
    opens = numpy.empty(len(changes), dtype=bool)
    opens[:-1], opens[-1] = bridged, False
    starts = numpy.flatnonzero((changes & opens) | split)
    ends = numpy.flatnonzero((changes & ~opens) | split)
    return starts, ends


def _hashed(
    codes: NDArray[numpy.uint8] | NDArray[numpy.uint32],
    kinds: NDArray[numpy.uint8],
    starts: Places,
    ends: Places,
) -> Hashes:
    """A polynomial over each word's characters modulo 2**64, from running sums, then mixed."""
    count = len(codes)
    powers, inverses = _powers(_room(count))
    values = _values(codes.dtype == numpy.uint8)[codes]
    commas = numpy.flatnonzero(kinds == _COMMA)
    sums = numpy.empty(count + 1, dtype=numpy.uint64)
    sums[0] = 0
    if len(commas):
        values[commas] = 0
        shift = numpy.zeros(count, dtype=numpy.int32)
        shift[commas] = 1
        position = numpy.arange(count, dtype=numpy.int32) - numpy.cumsum(shift, dtype=numpy.int32)
        numpy.cumsum(values * powers[position], out=sums[1:])
        first = position[starts].astype(numpy.int64)
    else:
        numpy.multiply(values, powers[:count], out=values)
        numpy.cumsum(values, out=sums[1:])
        first = starts
    hashes: Hashes = (sums[ends] - sums[starts]) * inverses[first]
    return _mixed(hashes)


def _room(count: int) -> int:
    """A size of tables that few different batches ask for."""
    return 1 << max(16, (count + 1).bit_length())


def _mixed(hashes: Hashes) -> Hashes:
    hashes = (hashes ^ (hashes >> numpy.uint64(31))) * _MIXER
    return hashes ^ (hashes >> numpy.uint64(29))


def _paired(hashes: Hashes, alone: NDArray[numpy.bool_], starts: Places, ends: Places) -> Hashes:
    """A character that stands alone is taken together with its neighbour, where there is one."""
    pairs = numpy.flatnonzero(alone[:-1] & alone[1:] & (ends[:-1] == starts[1:]))
    paired = hashes.copy()
    paired[pairs] = _mixed(hashes[pairs] * _PAIR + hashes[pairs + 1])
    return paired


def _kind(code: int) -> int:
    if code in _COMMAS:
        return _COMMA
    category = unicodedata.category(chr(code))
    if category[0] in "LM":
        spaceless = any(first <= code <= last for first, last in _SPACELESS)
        return _ALONE if spaceless else _LETTER
    return _DIGIT if category[0] == "N" else _SEPARATOR


_KINDS = CodePointTable(_kind)


@lru_cache(maxsize=2)
def _values(ascii_only: bool) -> Hashes:
    """A random number for each code point, the same on every machine."""
    codes = numpy.arange(_ASCII if ascii_only else CODE_POINTS, dtype=numpy.uint64)
    return _mixed((codes + numpy.uint64(1)) * numpy.uint64(_MULTIPLIER))


@lru_cache(maxsize=8)
def _powers(count: int) -> tuple[Hashes, Hashes]:
    """Powers of an odd number and of its inverse modulo 2**64."""
    return _rising(_MULTIPLIER, count), _rising(pow(_MULTIPLIER, -1, 1 << 64), count)


def _rising(base: int, count: int) -> Hashes:
    powers = numpy.ones(count, dtype=numpy.uint64)
    filled, step = 1, base
    while filled < count:
        wide = min(filled, count - filled)
        powers[filled : filled + wide] = powers[:wide] * numpy.uint64(step)
        filled, step = filled * 2, step * step & _MASK
    return powers
