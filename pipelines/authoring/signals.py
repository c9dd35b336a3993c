"""What in a question makes a quantized model's answer likely to change, told by the question alone."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from quantgate.pipelines.authoring.candidates import SuiteCandidate
from quantgate.pipelines.engines.margins import AnswerMargin
from quantgate.pipelines.language.identify import UNKNOWN, languages_of

Decode = Callable[[Sequence[int]], str]

_RAREST = 8
_SHOWN = 3
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Candidates by one criterion, the most promising first; `why` says what stands out in each.

    `slice` is the slice of the draft suite, `description` what its items have in common, `share` which
    part of the draft is filled from this ranking.
    """

    slice: str
    description: str
    share: float
    order: tuple[int, ...]
    why: tuple[str, ...]


def margins_ranking(
    candidates: Sequence[SuiteCandidate], margins: Mapping[str, AnswerMargin]
) -> Ranking:
    """Rank by the reference's closest decision in its own greedy answer; only measured candidates."""
    measured = [index for index, candidate in enumerate(candidates) if candidate.source in margins]
    order = sorted(measured, key=lambda index: margins[candidates[index].source].smallest)
    return Ranking(
        slice="thin_margin",
        description="the full-precision model nearly decided otherwise",
        share=0.4,
        order=tuple(order),
        why=tuple(_margin_text(margins.get(candidate.source)) for candidate in candidates),
    )


def cheap_rankings(candidates: Sequence[SuiteCandidate], decode: Decode) -> tuple[Ranking, ...]:
    """Rank by rare tokens, length, rare language and digits: what needs no model."""
    return (
        _rare_tokens(candidates, decode),
        _longest(candidates),
        _rare_languages(candidates),
        _digits(candidates),
    )


def _margin_text(margin: AnswerMargin | None) -> str:
    if margin is None:
        return ""
    return (
        f"margin {margin.smallest:.3f} at token {margin.position + 1} of {margin.decisions}: "
        f"{margin.chosen!r} over {margin.runner_up!r}"
    )


def _rare_tokens(candidates: Sequence[SuiteCandidate], decode: Decode) -> Ranking:
    """Mean surprisal (bits, by counts over all candidates) of a question's eight rarest tokens."""
    counts = Counter(token for candidate in candidates for token in candidate.token_ids)
    total = counts.total()
    scores, why = [], []
    for candidate in candidates:
        rarest = sorted(set(candidate.token_ids), key=lambda token: (counts[token], token))[
            :_RAREST
        ]
        bits = [math.log2(total / counts[token]) for token in rarest]
        scores.append(sum(bits) / _RAREST)
        shown = ", ".join(repr(decode([token])) for token in rarest[:_SHOWN])
        why.append(f"rare tokens: {shown}")
    return Ranking(
        slice="rare_tokens",
        description="tokens that hardly occur in the traffic",
        share=0.15,
        order=_descending(scores),
        why=tuple(why),
    )


def _longest(candidates: Sequence[SuiteCandidate]) -> Ranking:
    sizes = [len(candidate.token_ids) for candidate in candidates]
    return Ranking(
        slice="long",
        description="the longest conversations of the traffic",
        share=0.15,
        order=_descending(sizes),
        why=tuple(f"long: {size:,} tokens" for size in sizes),
    )


def _rare_languages(candidates: Sequence[SuiteCandidate]) -> Ranking:
    """By the language's share; within a language by how unusual its runs of three letters are here."""
    languages = languages_of([candidate.question for candidate in candidates])
    counts = Counter(languages)
    unusual = _unusual([candidate.question for candidate in candidates])
    scores = [
        (math.log(len(languages) / counts[language]) if language != UNKNOWN else 0.0, strange)
        for language, strange in zip(languages, unusual, strict=True)
    ]
    order = sorted(range(len(scores)), key=lambda index: (scores[index], -index), reverse=True)
    return Ranking(
        slice="rare_language",
        description="the languages that are rarest in the traffic",
        share=0.15,
        order=tuple(order),
        why=tuple(
            f"language {language}: {counts[language] / len(languages):.1%} of the traffic"
            for language in languages
        ),
    )


def _unusual(texts: Sequence[str]) -> list[float]:
    """Mean surprisal in bits of a text's runs of three characters, by counts over all texts."""
    runs = [[text[i : i + 3] for i in range(max(1, len(text) - 2))] for text in texts]
    counts = Counter(run for text_runs in runs for run in text_runs)
    total = counts.total()
    return [
        sum(math.log2(total / counts[run]) for run in text_runs) / len(text_runs)
        for text_runs in runs
    ]


def _digits(candidates: Sequence[SuiteCandidate]) -> Ranking:
    counts = [len(_DIGIT.findall(candidate.question)) for candidate in candidates]
    return Ranking(
        slice="digits",
        description="many digits, to be copied or reckoned with",
        share=0.15,
        order=_descending(counts),
        why=tuple(f"{count} digits" for count in counts),
    )


def _descending(scores: Sequence[float]) -> tuple[int, ...]:
    return tuple(sorted(range(len(scores)), key=lambda index: (-scores[index], index)))
