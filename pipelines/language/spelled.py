"""Which language a text is in, as far as its script or its commonest small words tell.

Enough to choose filler in an item's language and to see that a suite lacks the smaller languages; no
judgement of an answer rests on it.
"""

import re
from bisect import bisect_right
from collections import Counter
from functools import cache
from pathlib import Path

import yaml

UNKNOWN = "und"
"""ISO 639's code for a language that cannot be told."""

# First code point of a block (Unicode 16, Blocks.txt) and the language mostly written in it; None: no letters
# of one language, or Latin ones.
_BLOCKS: tuple[tuple[int, str | None], ...] = (
    (0x0000, None), (0x0041, "latin"), (0x02B0, None), (0x0370, "el"), (0x0400, "ru"), (0x0530, "hy"),
    (0x0590, "he"), (0x0600, "ar"), (0x0700, None), (0x0900, "hi"), (0x0980, "bn"), (0x0A00, "pa"),
    (0x0A80, "gu"), (0x0B00, "or"), (0x0B80, "ta"), (0x0C00, "te"), (0x0C80, "kn"), (0x0D00, "ml"),
    (0x0D80, "si"), (0x0E00, "th"), (0x0E80, "lo"), (0x0F00, "bo"), (0x1000, "my"), (0x10A0, "ka"),
    (0x1100, "ko"), (0x1200, "am"), (0x13A0, None), (0x1780, "km"), (0x1800, "mn"), (0x18B0, None),
    (0x1E00, "latin"), (0x1F00, "el"), (0x2000, None), (0x3040, "ja"), (0x3100, None), (0x3400, "zh"),
    (0x4DC0, None), (0x4E00, "zh"), (0xA000, None), (0xAC00, "ko"), (0xD7B0, None), (0x20000, "zh"),
    (0x30000, None),
)  # fmt: skip
_STARTS = [start for start, _ in _BLOCKS]
_SMALL_WORDS = Path(__file__).with_name("small_words.yaml")
_WIDELY_WRITTEN = frozenset(
    {"en", "zh", "ja", "ko", "de", "fr", "es", "pt", "it", "ru", "ar", "nl", "pl", "tr", "sv", "cs"}
    | {"vi", "id", UNKNOWN}
)
_WORD = re.compile(r"[^\W\d_]+")
_LOOKED_AT = 2000
_KANA_SHARE = 0.1
_SURE = 1.0
"""One small word that no other language here has, or several shared ones."""


def language_of(text: str) -> str:
    """Return the ISO 639 code of a text's language; `und` where neither script nor words tell."""
    start = text[:_LOOKED_AT]
    scripts = Counter(script for script in map(_script, start) if script)
    if not scripts:
        return UNKNOWN
    script, letters = scripts.most_common(1)[0]
    if script == "latin":
        return _by_small_words(start)
    if script == "zh" and scripts["ja"] > _KANA_SHARE * letters:
        return "ja"
    return script


def is_low_resource(language: str) -> bool:
    """Whether a language has little text on the web, by a coarse list of those that have much."""
    return language not in _WIDELY_WRITTEN


def _script(letter: str) -> str | None:
    return _BLOCKS[bisect_right(_STARTS, ord(letter)) - 1][1]


def _by_small_words(text: str) -> str:
    """A word counts by how few languages have it, so that `a` and `de` decide nothing alone."""
    words = {word.casefold() for word in _WORD.findall(text)}
    scores = {
        language: sum(weights[word] for word in words & weights.keys())
        for language, weights in _small_words().items()
    }
    language = max(scores, key=lambda name: scores[name])
    return language if scores[language] >= _SURE else UNKNOWN


@cache
def _small_words() -> dict[str, dict[str, float]]:
    """Small words of each language, each with one over the number of languages that have it."""
    texts: dict[str, str] = yaml.load(_SMALL_WORDS.read_bytes(), Loader=yaml.CSafeLoader)
    words = {language: frozenset(text.split()) for language, text in texts.items()}
    holders = Counter(word for small in words.values() for word in small)
    return {
        language: {word: 1 / holders[word] for word in small} for language, small in words.items()
    }
