r"""How answers name a choice, as patterns: `The answer is (B).`, `**B**`, `B) Paris`, `\boxed{B}`.

All run in linear time on any answer: repeats are bounded, and runs of whitespace have become one
character before they are used.
"""
# ruff: noqa: RUF001 - the characters are what texts are written in

import re
from dataclasses import dataclass
from functools import lru_cache

from quantgate.pipelines.evaluation.graders.text.choice_languages import declared_in_other_languages
from quantgate.pipelines.evaluation.graders.text.choice_negation import (
    CONTRASTED,
    named_against_another,
)

_SAID = (
    r"(?:answers?|choose|chose|pick|select|go with|going with|it is|it's|it must be"
    r"|i say|antwort|lösung|richtig ist|respuesta|réponse|risposta|resposta|antwoord|odpowiedź|ответ"
    r"|відповідь|cevap|الإجابة|उत्तर|উত্তর|คำตอบ|సమాధానం|jibu|jawaban|đáp án|答案|选|選|答え|正解|정답|답)"
)
_IS = (
    r"(?: ?(?:is|was|would be|should be|must be|ist|lautet|es|est|è|é|là|ni|adalah|है|হল|คือ)"
    r"(?![^\W\d_])| ?(?:是|为|為|は|은|는)| ?[:：=])"
)
_FILLER = (
    r"(?: ?\b(?:(?:the )?(?:(?:correct|right|best|final) )?(?:answer|option|choice|letter)|clearly"
    r"|indeed|definitely|therefore|option|opción|die|la)\b)?"
)
_RIGHT = (
    r" (?:is|seems|looks)(?: the| most| clearly| definitely){0,2} (?:correct|right|best|answer)\b"
)
_OR = (
    r"(?:,? ?(?:\bor|\band|\boder|\bund|\bou|\bet|\by|\bo)\b| ?[,/&+]"
    r"| ?(?:或者?|和|以及|、|または|と(?=[^\W_]\b)|أو|و(?= )))"
)
_OPEN, _CLOSE = r"[(\[*_`]{0,4}", r"[)\]*_`]{0,4}"
_WORDLESS = r"[⺀-鿿가-힯ぁ-ヿ]"
"""Characters of scripts that put no space before a label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Patterns of the ways to name a choice, from the most to the least explicit; each has `label`.

    `sentence` is a choice that is a sentence of its own, `named` one wherever it stands,
    `further` one more of several, `contrasted` one behind a `not`.
    """

    boxed: tuple[re.Pattern[str], ...]
    declared: tuple[re.Pattern[str], ...]
    alone: tuple[re.Pattern[str], ...]
    begun: tuple[re.Pattern[str], ...]
    marked: tuple[re.Pattern[str], ...]
    sentence: tuple[re.Pattern[str], ...]
    named: tuple[re.Pattern[str], ...]
    further: re.Pattern[str]
    contrasted: re.Pattern[str]


@lru_cache(maxsize=256)
def ways_to_name(labels: tuple[str, ...]) -> Ways:
    """Return the patterns for a set of labels; lower case counts where a label is declared."""
    bounded = "|".join(_bounded(label) for label in sorted(labels, key=len, reverse=True))
    spelled, any_case = f"(?P<label>{bounded})", f"(?P<label>(?i:{bounded}))"
    worded = any(len(label) > 1 for label in labels)
    free = any_case if worded else spelled
    declared = (
        rf"(?i:(?<![^\W_]){_SAID}{_IS}?{_FILLER}{_IS}?) ?{_OPEN} ?{any_case}",
        rf"(?i:\b(?:option|choice){_IS}{_FILLER}) ?{_OPEN} ?{any_case}",
        rf"{_OPEN}{free}{_CLOSE}{_RIGHT}",
        rf"#### ?{any_case}",
        rf"\b(?i:I (?:think|believe|guess|suspect|say)(?: that)?) {_OPEN}{free}{_CLOSE}[.!]?$",
    )
    marked = [rf"[(\[] ?{free} ?[)\]]", rf"\*\*\(?{free}[).:]{{0,2}}\*\*", rf"`{free}`"]
    marked.append(
        rf"(?:\b(?i:option|choice) |选项|選項|選択肢|(?:الخيار|الحرف|विकल्प|বিকল্প|ข้อ|보기) ){free}"
    )
    return Ways(
        boxed=_compiled(
            rf"\\boxed ?\{{ ?\(? ?{any_case} ?\)? ?\}}",
            rf"(?i:<(?:final_?)?answer>)\s?[(\[*]{{0,3}}{any_case}"
            r"(?:[)\]*]{0,3}|[)\].:*]{1,4}[^<\n]{0,200})\s?(?i:</(?:final_?)?answer>)",
        ),
        declared=_compiled(
            *declared,
            *declared_in_other_languages(any_case, free),
            *named_against_another(f"(?:{bounded})", free),
        ),
        alone=_compiled(rf"^[(\[*_` ]{{0,5}}{any_case}[)\]*_`.:,!。 ]{{0,6}}$"),
        begun=_compiled(rf"^{_OPEN}{free}(?:[)\]*_`]{{1,4}}[.:]?|[.:,、。])(?=\s|{_WORDLESS})"),
        marked=_compiled(*marked, *([free] if worded else [])),
        sentence=_compiled(rf"(?:^|[.!。!;\n] ?){_OPEN}{free}{_CLOSE}[.!。]?$"),
        named=_compiled(free),
        further=re.compile(rf"{_CLOSE}{_OR} ?{_OPEN}{any_case}"),
        contrasted=re.compile(f"(?i:{CONTRASTED}){free}"),
    )


def _compiled(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.MULTILINE) for pattern in patterns)


def _bounded(label: str) -> str:
    """A label is no part of a longer word: the B of `Bob`, of `B's` or of `B2` names nothing."""
    before = r"(?<![^\W_])" if not label[:1].isascii() else r"(?<![A-Za-z0-9À-ɏЀ-ӿ'’-])"
    after = r"(?![A-Za-z0-9À-ɏЀ-ӿ]|['’](?!(?:d[ıi]r|t[ıi]r)\b)[a-z]|-[A-Za-z])"
    if re.match(_WORDLESS, label):
        before = after = ""
    return f"{before}{re.escape(label)}{after}"
