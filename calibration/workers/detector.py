"""Findings in one text: cheap necessary signs first, then presidio's recognizers, then the words before."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from presidio_analyzer import RecognizerResult

from quantgate.calibration.redaction.messages import DetectCall
from quantgate.calibration.redaction.replacing import EntityFinding, apart
from quantgate.calibration.workers.recognizers import (
    LANGUAGE,
    PHONE_SIGN,
    AnnouncedPhones,
    Context,
    Tokens,
    needs_context,
    pipeline,
    recognizer,
)

_WINDOW = 4000
_OVERLAP = 200
"""Long texts are read in overlapping windows: some patterns take time that grows with the square."""

_SIGNS = MappingProxyType(
    {
        "EMAIL_ADDRESS": re.compile("@"),
        "PHONE_NUMBER": PHONE_SIGN,
        "CREDIT_CARD": re.compile(r"\d(?:[- ]?\d){11}"),
        "IBAN_CODE": re.compile(r"[A-Za-z]{2}\d\d[ -]?\w{4}"),
        "IP_ADDRESS": re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d|::|[0-9A-Fa-f]:[0-9A-Fa-f]{1,4}:"),
        "MAC_ADDRESS": re.compile(
            r"[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}\1[0-9A-Fa-f]{2}\1|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\."
        ),
        "CRYPTO": re.compile(r"(?:bc1|[13])[a-zA-Z0-9]{25}", re.IGNORECASE),
        "URL": re.compile(r"\.[a-zA-Z]{2}"),
    }
)
"""What a text has to hold to be worth the recognizer; each is implied by the recognizer's own patterns."""
_NATIONAL_SIGN = re.compile(r"\d\D{0,4}\d\D{0,4}\d\D{0,4}\d")
_LEAST_SCORE_WITHOUT_CONTEXT = 0.3
_SHORTEST_REPEATED = 4


class Detector:
    """Finds what a call asks for, in any text. The same text gives the same findings."""

    def __init__(self, call: DetectCall):
        """Load packages and recognizers.

        Raises:
            OSError: where the model is not installed.
        """
        self._threshold = call.threshold
        self._names = call.names
        self._engine = Tokens(pipeline(call.ner_model))
        self._context = Context()
        self._recognizers: list[tuple[str, re.Pattern[str], Any]] = []
        for entity, class_name in call.recognizers.items():
            sign = _SIGNS.get(entity, _NATIONAL_SIGN)
            made = recognizer(class_name, call.phone_regions, call.phone_words)
            self._recognizers.append((entity, sign, made))
            if entity == "PHONE_NUMBER" and call.phone_words:
                self._recognizers.append((entity, sign, AnnouncedPhones(list(call.phone_words))))

    def findings(self, text: str) -> list[EntityFinding]:
        """Return findings at or above the threshold, apart from each other, rising."""
        findings = [
            EntityFinding(
                entity=result.entity_type,
                start=begin + result.start,
                end=begin + result.end,
                score=round(result.score, 4),
            )
            for begin, window in _windows(text)
            for result in self._results(window)
            if result.score >= self._threshold
        ]
        return apart([*findings, *_repeated(text, findings)])

    def _results(self, text: str) -> list[RecognizerResult]:
        results: list[RecognizerResult] = []
        for entity, sign, made in self._recognizers:
            if not sign.search(text):
                continue
            for result in made.analyze(text=text, entities=[entity], nlp_artifacts=None):
                if entity not in _SIGNS and needs_context(text, result.start, result.end):
                    result.score = min(result.score, _LEAST_SCORE_WITHOUT_CONTEXT)
                results.append(result)
        sure = [result for result in results if result.score >= self._threshold]
        unsure = [result for result in results if result.score < self._threshold]
        if not unsure and not self._names:
            return sure
        artifacts = self._engine.process_text(text, LANGUAGE)
        made_all = [made for _, _, made in self._recognizers]
        raised: list[RecognizerResult] = self._context.enhance_using_context(
            text=text, raw_results=unsure, nlp_artifacts=artifacts, recognizers=made_all
        )
        return [*sure, *raised] + [
            RecognizerResult(name.label_, name.start_char, name.end_char, score)
            for name, score in zip(artifacts.entities, artifacts.scores, strict=True)
            if name.label_ in self._names
        ]


def _repeated(text: str, findings: Sequence[EntityFinding]) -> Iterator[EntityFinding]:
    """Yield whatever was found at one place wherever else it stands as a word of its own."""
    for value, finding in {text[f.start : f.end]: f for f in findings}.items():
        if len(value) < _SHORTEST_REPEATED:
            continue
        for match in re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", text):
            yield replace(finding, start=match.start(), end=match.end())


def _windows(text: str) -> Iterator[tuple[int, str]]:
    """Yield (where it begins, text) of overlapping windows."""
    for begin in range(0, max(len(text) - _OVERLAP, 1), _WINDOW - _OVERLAP):
        yield begin, text[begin : begin + _WINDOW]
