"""Rows of traffic that resemble some questions and not others: what further items may be written from.

Cosine between word counts weighted by rarity (tf-idf: Salton and Buckley, 1988), no model asked.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from quantgate.pipelines.authoring.candidates import SuiteCandidate
from quantgate.pipelines.language.words import normalized

_Weights = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """What rows are to resemble, and what they are not to: questions of a suite."""

    these: Sequence[str]
    others: Sequence[str] = ()


def resembling(
    candidates: Sequence[SuiteCandidate], alike: Alike, take: int
) -> tuple[SuiteCandidate, ...]:
    """Return up to `take` candidates, the most like first; those that are as like the others are left out."""
    counts = [_words(candidate.question) for candidate in candidates]
    rarity = _rarity(counts)
    towards, away = (_centre(map(_words, texts), rarity) for texts in (alike.these, alike.others))

    def likeness(at: int) -> float:
        weights = _unit({word: n * rarity[word] for word, n in counts[at].items()})
        return _cosine(weights, towards) - _cosine(weights, away)

    ranked = sorted(((likeness(at), -at) for at in range(len(candidates))), reverse=True)
    return tuple(candidates[-at] for score, at in ranked[:take] if score > 0)


def _words(text: str) -> Counter[str]:
    return Counter(normalized(text).split())


def _rarity(counts: Sequence[Counter[str]]) -> _Weights:
    holders = Counter(word for each in counts for word in each)
    return {word: math.log(1 + len(counts) / held) for word, held in holders.items()}


def _centre(texts: Iterable[Counter[str]], rarity: _Weights) -> _Weights:
    total: Counter[str] = Counter()
    for counts in texts:
        weighted = {word: n * rarity[word] for word, n in counts.items() if word in rarity}
        for word, weight in _unit(weighted).items():
            total[word] += weight  # type: ignore[assignment]  # a Counter adds floats as well
    return _unit(dict(total))


def _unit(weights: _Weights) -> _Weights:
    length = math.sqrt(sum(weight * weight for weight in weights.values()))
    return {word: weight / length for word, weight in weights.items()} if length else {}


def _cosine(first: _Weights, second: _Weights) -> float:
    return sum(weight * second.get(word, 0.0) for word, weight in first.items())
