"""Grades which language and script an answer is written in."""

import re
from dataclasses import dataclass

from quantgate.pipelines.domain.run import Facet, Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.graders.reading.expectations import (
    alternatives,
    composed,
    none_refused,
    unknown_key,
    unusable,
)
from quantgate.pipelines.evaluation.graders.reading.grades import in_way, scored, wrong
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.graders.reading.wording import shorten
from quantgate.pipelines.language.model import likelihoods
from quantgate.pipelines.language.prose import passages, prose, without_latin_names
from quantgate.pipelines.language.scripts import (
    LANGUAGES,
    SCRIPTS,
    kin,
    letters_by_script,
    scripts_of,
    unicode_scripts,
)

_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?:[-_](?P<script>[A-Z][a-z]{3}))?|(?P<alone>[A-Z][a-z]{3})"
)
_UNLIKELY, _LIKELY, _SURE = 0.1, 0.5, 0.9
_FEWEST_LETTERS = 12
"""A passage with fewer letters is counted by its script alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExpectedLanguage:
    language: str | None
    scripts: frozenset[str]
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageGrader:
    """Right where at least `min_share` of the letters are in the expected script and language.

    `expected` is a language (`de`), a script (`Cyrl`), both (`sr-Latn`, `{language, script}`), or a list
    of which any is accepted. Code, addresses, formulas and, in other scripts, Latin names do not count.
    An answer without any letters is wrong.
    """

    min_share: float = 0.9

    @property
    def name(self) -> str:
        """Name and version."""
        return "language@2"

    def problem(self, item: Item) -> str | None:
        """Say why the expectation can never be met, or None where it is a known language or script."""
        if not 0 < self.min_share <= 1:
            return "min_share is not above 0 and at most 1"
        expected = _expected_languages(item.expected)
        return expected.reason if isinstance(expected, Refused) else None

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Grade an answer; facets are the shares of letters in the expected `script` and `language`."""
        expected = _expected_languages(item.expected)
        problem = self.problem(item)
        if problem or isinstance(expected, Refused):
            reason = unusable(problem or "")
            return wrong(self.name, canonical=answer_text.strip(), reason=reason)
        grades = [self._compared(answer_text, language) for language in expected]
        return max(grades, key=lambda grade: (grade.correct, grade.score))

    def _compared(self, answer: str, expected: _ExpectedLanguage) -> Grade:
        text = composed(prose(_storable(answer)))
        if "Latn" not in expected.scripts:
            text = without_latin_names(text)
        counts = letters_by_script(text)
        letters = sum(counts.values())
        facets = (Facet(name="script", score=0.0), Facet(name="language", score=0.0))
        canonical = composed(answer).strip()
        if not letters:
            reason = f"no words whose language could be told in {shorten(canonical)!r}"
            grade = wrong(self.name, canonical=canonical, reason=reason, facets=facets)
            return in_way(grade, "no answer in it")
        in_script = sum(counts.get(script, 0) for script in expected.scripts) / letters
        in_language, drift = _share_in_language(text, expected)
        facets = (
            Facet(name="script", score=in_script),
            Facet(name="language", score=in_language),
        )
        problem = None
        if in_script < self.min_share:
            most = max(
                (script for script in counts if script not in expected.scripts),
                key=counts.__getitem__,
            )
            problem = (
                f"{1 - in_script:.0%} of the letters are not {expected.shown}, most of those {most}"
            )
        elif in_language < self.min_share:
            problem = f"{1 - in_language:.0%} is not {expected.shown}: {drift}"
        grade = scored(
            self.name,
            score=min(in_script, in_language),
            correct=problem is None,
            canonical=canonical,
            reason=problem or f"written in {expected.shown}",
            facets=facets,
        )
        return in_way(grade, "wrong language")


def _share_in_language(text: str, expected: _ExpectedLanguage) -> tuple[float, str]:
    """Return the share of letters in passages of the wanted language, and the first other passage."""
    if expected.language is None:
        return 1.0, ""
    good, all_letters, drift = 0, 0, ""
    for passage in passages(text):
        counts = letters_by_script(passage)
        letters = sum(counts.values())
        other = _other_language(passage, expected.language, letters) if letters else None
        fitting = sum(counts.get(script, 0) for script in expected.scripts)
        all_letters += letters
        good += 0 if other else fitting
        if other and not drift:
            drift = f"{other} in {shorten(passage.strip())!r}"
    return (good / all_letters, drift) if all_letters else (1.0, "")


def _other_language(passage: str, language: str, letters: int) -> str | None:
    """Return the language a passage is in where that is surely not the wanted one."""
    if letters < _FEWEST_LETTERS:
        return None
    likely = likelihoods(passage)
    likelihood = sum(likely.get(code, 0.0) for code in kin(language))
    most = max(likely, key=likely.__getitem__)
    if most in kin(language) and most != language:
        return most if likely[most] >= _SURE and likely.get(language, 0.0) < _UNLIKELY else None
    return (
        most if likelihood < _UNLIKELY and likely[most] >= _LIKELY and most in LANGUAGES else None
    )


def _storable(text: str) -> str:
    """Lone surrogates belong to no script and no identifier reads them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _expected_languages(expected: JsonValue) -> tuple[_ExpectedLanguage, ...] | Refused:
    listed = alternatives(expected)
    if not listed:
        return Refused(reason="the list of accepted languages is empty")
    return none_refused(map(_expected_language, listed))


def _expected_language(value: JsonValue) -> _ExpectedLanguage | Refused:
    if isinstance(value, dict):
        strange = unknown_key(value, ("language", "script"))
        parts = [value[key] for key in ("language", "script") if key in value]
        if strange or not parts or not all(isinstance(part, str) for part in parts):
            return strange or Refused(reason="'language' and 'script' are not texts")
        value = "-".join(str(part) for part in parts)
    tag = _TAG.fullmatch(value) if isinstance(value, str) else None
    if tag is None:
        return Refused(reason="it is not a language code (de, sr-Latn) or a script code (Cyrl)")
    language, script = tag["language"], tag["script"] or tag["alone"]
    if language and language not in LANGUAGES:
        return Refused(reason=f"language {language!r} is none that can be told")
    if script and script not in SCRIPTS:
        return Refused(reason=f"script {script!r} is none that can be told")
    scripts = unicode_scripts(script) if script else scripts_of(language)
    if language and not scripts & scripts_of(language):
        return Refused(reason=f"{language!r} is not written in {script!r}")
    return _ExpectedLanguage(language=language, scripts=scripts, shown=tag[0])
