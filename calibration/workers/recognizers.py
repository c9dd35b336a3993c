"""Presidio's recognizers as this project uses them: no network, and digits alone count only where announced.

What differs from presidio's own engine, each because of what it did on real rows:
- an e-mail's domain is held against the list that tldextract ships (its default is to download one), and an
  unknown ending counts for less instead of nothing (`jo@mail.intern`);
- digits alone are no phone number or national id (one order number in eleven passes a check digit): they need
  a word before them that announces one;
- what is announced as a phone number counts in any format, also one that no country has;
- context words are compared as whole words (`us` stands in "customer").
"""

import re
from collections.abc import Iterator
from copy import copy
from typing import TYPE_CHECKING, Any

import spacy
from presidio_analyzer import Pattern, PatternRecognizer, RecognizerResult
from presidio_analyzer import predefined_recognizers as predefined
from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine
from tldextract import TLDExtract
from typing_extensions import override

if TYPE_CHECKING:
    from spacy.language import Language

LANGUAGE = "xx"
"""spaCy's code for no language in particular: patterns depend on none, their context words are given."""

_ANNOUNCED_SCORE = 0.3
"""Below the usual threshold; presidio's context raises it by 0.35."""
_UNANNOUNCED_SCORE = 0.2
_SHORTEST_UNANNOUNCED = 9
_FEWEST_GROUPS = 2
_LONGEST_UNSURE = 12
"""Longer runs of digits with a valid check digit are hardly chance."""
_DIGITS = re.compile(r"\d")
_PIECES = re.compile(r"[^\W_]+")
_ONLY_DIGITS = re.compile(r"\d+")
_DATE = re.compile(
    r"\D*(?:\d{4}([-./])\d\d?\1\d\d?|\d\d?([-./])\d\d?\2\d{2,4})(?:[ ,T].*)?", re.DOTALL
)
_PHONE_BEGIN = r"(?<![A-Za-z0-9_@/#.=-])(?<!\d:)\+?\(?\d"
"""Where a phone number may begin: not within an order's number, a time or an address."""
PHONE_SIGN = re.compile(_PHONE_BEGIN + r"(?:[^\w\n]{0,4}\d){6,20}(?!(?!x\d|ext)[A-Za-z0-9_])")
"""What may hold a phone number: seven digits or more, apart from letters."""


class Emails(predefined.EmailRecognizer):  # type: ignore[misc]  # presidio's classes are untyped here
    """E-mail addresses; the list of public suffixes is the one that tldextract ships."""

    _suffixes = TLDExtract(suffix_list_urls=(), cache_dir=None)

    @override
    def validate_result(self, pattern_text: str) -> bool | None:
        """Return True for a known ending, None (the pattern's own score) for letters, else False."""
        if self._suffixes(pattern_text).fqdn:
            return True
        return None if pattern_text.rpartition(".")[2].isalpha() else False


class Addresses(predefined.IpRecognizer):  # type: ignore[misc]
    """IP addresses, but for what is also code (`x[0::2]`, `a::b`)."""

    @override
    def invalidate_result(self, pattern_text: str) -> bool | None:
        """Return True for what is none, or is too short to be told from code."""
        groups = _PIECES.findall(pattern_text)
        is_long_enough = len(groups) > _FEWEST_GROUPS or any(
            len(group) > _FEWEST_GROUPS for group in groups
        )
        return True if not is_long_enough else super().invalidate_result(pattern_text)


class Phones(predefined.PhoneRecognizer):  # type: ignore[misc]
    """Phone numbers that are valid in one of the regions, or international."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Return numbers, with a low score those that only digits make one."""
        parsed: dict[str, list[RecognizerResult]] = {}
        results: list[RecognizerResult] = []
        for digits in PHONE_SIGN.finditer(
            text
        ):  # quicker than to have all numbers of a text parsed
            value = digits[0]
            if value not in parsed:
                parsed[value] = list(
                    self._dialled(super().analyze(value, entities, nlp_artifacts), value)
                )
            for result in map(copy, parsed[value]):
                result.start += digits.start()
                result.end += digits.start()
                results.append(result)
        return results

    @staticmethod
    def _dialled(results: list[RecognizerResult], text: str) -> Iterator[RecognizerResult]:
        for result in results:
            value = text[result.start : result.end]
            if not _DATE.fullmatch(value):
                result.score = result.score if _looks_dialled(value) else _UNANNOUNCED_SCORE
                yield result


class AnnouncedPhones(PatternRecognizer):  # type: ignore[misc]
    """Seven to fifteen digits in any grouping; counts only after a word that announces a phone number."""

    def __init__(self, words: list[str]):
        pattern = _PHONE_BEGIN + r"(?:[ ()./-]{0,3}\d){6,14}(?![A-Za-z0-9_@])"
        super().__init__(
            supported_entity="PHONE_NUMBER",
            supported_language=LANGUAGE,
            patterns=[Pattern("announced phone number", pattern, _ANNOUNCED_SCORE)],
            context=words,
        )

    @override
    def invalidate_result(self, pattern_text: str) -> bool:
        """Return whether it is a date."""
        return bool(_DATE.fullmatch(pattern_text))


class Context(LemmaContextAwareEnhancer):  # type: ignore[misc]
    """Raises scores where one of five words before is a context word; also within unspaced scripts."""

    @override
    @staticmethod
    def _find_supportive_word_in_context(
        context_list: list[str],
        recognizer_context_list: list[str],
        matching_mode: str = "whole_word",  # presidio's own signature
    ) -> str:
        words = {word.casefold() for word in context_list}
        for context_word in recognizer_context_list:
            folded = context_word.casefold()
            unspaced = folded[0] >= "\u0e00"  # Thai and all that follows it
            pieces = _PIECES.findall(folded)  # of `Steuer-ID`, which stands as two words in a text
            if words.issuperset(pieces) or (unspaced and any(folded in word for word in words)):
                return context_word
        return ""


class Tokens(SpacyNlpEngine):  # type: ignore[misc]
    """Words of a text, as context and, where the pipeline has a model, as names."""

    def __init__(self, pipeline: "Language"):
        super().__init__(models=[{"lang_code": LANGUAGE, "model_name": "given"}])
        self.nlp = {LANGUAGE: pipeline}

    def _doc_to_nlp_artifact(self, doc: Any, language: str) -> NlpArtifacts:
        artifacts = super()._doc_to_nlp_artifact(doc, language)
        if any(token.lemma for token in doc):
            return artifacts
        return NlpArtifacts(
            entities=artifacts.entities,
            tokens=doc,
            tokens_indices=artifacts.tokens_indices,
            lemmas=[token.lower_ for token in doc],  # a blank pipeline has no lemmas
            nlp_engine=self,
            language=language,
            scores=artifacts.scores,
        )


def pipeline(model: str | None) -> "Language":
    """Return the spaCy pipeline of a model, or one that only splits words.

    Raises:
        OSError: where the model is not installed.
    """
    return spacy.blank(LANGUAGE) if model is None else spacy.load(model)


def recognizer(class_name: str, regions: tuple[str, ...], words: tuple[str, ...]) -> Any:
    """Return one of presidio's recognizers, for texts of any language."""
    if class_name == "EmailRecognizer":
        return Emails(supported_language=LANGUAGE)
    if class_name == "IpRecognizer":
        return Addresses(supported_language=LANGUAGE)
    if class_name == "PhoneRecognizer":
        return Phones(
            supported_language=LANGUAGE,
            supported_regions=regions or (None,),
            context=list(words) or ["phone"],
        )
    return getattr(predefined, class_name)(supported_language=LANGUAGE)


def needs_context(text: str, start: int, end: int) -> bool:
    """Whether a national id is digits alone, so that one number in ten or eleven passes its check digit."""
    value = text[start:end]
    return bool(_ONLY_DIGITS.fullmatch(value)) and len(value) <= _LONGEST_UNSURE


def _looks_dialled(value: str) -> bool:
    """Whether digits are grouped as in +49…, 0761-…, (212) … or 212-555-0100."""
    if value.startswith("+"):
        return True
    groups = len(_ONLY_DIGITS.findall(value))
    grouped = groups > _FEWEST_GROUPS or (groups == _FEWEST_GROUPS and value[0] in "0(")
    digits = len(_DIGITS.findall(value))
    return grouped and digits >= _SHORTEST_UNANNOUNCED
