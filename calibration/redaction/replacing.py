"""What stands where personal data stood: placeholders, or surrogates of the same shape.

Neither is computed from what it replaces, so that nothing leads back. Within one sequence the same value
gets the same replacement, so that a tool call still repeats what the customer wrote.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from quantgate.calibration.redaction.options import ReplacementStyle

_SHORT = {
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "MAC_ADDRESS": "MAC",
}
_ZEROS = 3
"""A surrogate's first three digits are zero: no card, phone, social security number or IBAN begins so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityFinding:
    """Characters `start` to `end` of one text that are an `entity`, with presidio's score (0 to 1)."""

    entity: str
    start: int
    end: int
    score: float


@dataclass(slots=True)
class Replacer:
    """Replaces what was found in one sequence. `seed` says nothing of it: it is what remains of the texts."""

    style: ReplacementStyle
    seed: str
    _numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    _used: Counter[str] = field(default_factory=Counter)

    def replaced(self, text: str, findings: Sequence[EntityFinding], *, is_number: bool) -> str:
        """Return a text with its findings (apart from each other, rising) replaced."""
        pieces, done = [], 0
        for finding in findings:
            pieces += [text[done : finding.start], self._instead(text, finding, is_number)]
            done = finding.end
        return "".join([*pieces, text[done:]])

    def _instead(self, text: str, finding: EntityFinding, is_number: bool) -> str:
        value = text[finding.start : finding.end]
        number = self._number(finding.entity, value)
        if is_number:
            return _digits(len(value), self._stream(finding.entity, number))
        if self.style == "placeholder":
            return f"<{_SHORT.get(finding.entity, finding.entity)}_{number}>"
        return _surrogate(finding.entity, value, self._stream(finding.entity, number))

    def _number(self, entity: str, value: str) -> int:
        """Number values of one entity as they appear; spacing, punctuation and case make no other value."""
        level = "".join(letter for letter in value.casefold() if letter.isalnum()) or value
        if (entity, level) not in self._numbers:
            self._used[entity] += 1
            self._numbers[entity, level] = self._used[entity]
        return self._numbers[entity, level]

    def _stream(self, entity: str, number: int) -> Iterator[int]:
        """Yield bytes that depend on the sequence's remains and on the running number alone."""
        for block in count():
            yield from hashlib.sha256(f"{self.seed}\0{entity}\0{number}\0{block}".encode()).digest()


def remains(texts: Sequence[str], findings: Sequence[Sequence[EntityFinding]]) -> str:
    """Return a digest of a sequence's texts without what was found in them."""
    sha = hashlib.sha256()
    for text, text_findings in zip(texts, findings, strict=True):
        done = 0
        for finding in text_findings:
            sha.update(text[done : finding.start].encode(errors="replace") + b"\0")
            done = finding.end
        sha.update(text[done:].encode(errors="replace") + b"\n")
    return sha.hexdigest()


def apart(findings: Sequence[EntityFinding]) -> list[EntityFinding]:
    """Join findings that overlap into one, called by the likeliest (then longest) of them; rising."""
    joined: list[EntityFinding] = []
    for finding in sorted(findings, key=lambda f: (f.start, -f.end, f.entity)):
        if not joined or finding.start >= joined[-1].end:
            joined.append(finding)
            continue
        before = joined[-1]
        best = max(before, finding, key=lambda f: (f.score, f.end - f.start, f.entity))
        joined[-1] = EntityFinding(
            entity=best.entity,
            start=before.start,
            end=max(before.end, finding.end),
            score=best.score,
        )
    return joined


def _surrogate(entity: str, value: str, stream: Iterator[int]) -> str:
    if entity == "IP_ADDRESS":  # addresses kept for documentation (RFC 5737, RFC 3849)
        last = next(stream)
        return f"2001:db8::{last:x}" if ":" in value else f"192.0.2.{last}"
    if entity == "EMAIL_ADDRESS":  # a domain that cannot exist (RFC 2606)
        before, dot, _ = value.rpartition(".")
        return _shaped(before, stream) + dot + "invalid"
    if entity == "URL":
        scheme, slashes, rest = value.rpartition("://")
        return scheme + slashes + _shaped(rest, stream)
    shaped = _shaped(value, stream)
    return (
        _with_wrong_check_digit(shaped)
        if entity == "CREDIT_CARD" and _luhn_holds(shaped)
        else shaped
    )


def _shaped(value: str, stream: Iterator[int]) -> str:
    """Return digits for digits and letters for letters; all else stays."""
    letters, digits_seen = [], 0
    for letter in value:
        if letter.isdecimal():
            digits_seen += 1
            letters.append("0" if digits_seen <= _ZEROS else str(next(stream) % 10))
        elif letter.isalpha():
            other = chr(ord("a") + next(stream) % 26)
            letters.append(other.upper() if letter.isupper() else other)
        else:
            letters.append(letter)
    return "".join(letters)


def _digits(length: int, stream: Iterator[int]) -> str:
    """Return a number of so many digits; it begins with 900, as JSON's may not begin with 0."""
    return ("900" + "".join(str(next(stream) % 10) for _ in range(length)))[:length]


def _luhn_holds(value: str) -> bool:
    """Whether the digits of a card number have a valid check digit (ISO/IEC 7812-1, annex B)."""
    digits = [int(letter) for letter in value if letter.isdecimal()][::-1]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + doubled) % 10 == 0


def _with_wrong_check_digit(value: str) -> str:
    """Return the value with its last digit raised by one, 9 to 0, so that its check digit is wrong."""
    at = max(index for index, letter in enumerate(value) if letter.isdecimal())
    return f"{value[:at]}{(int(value[at]) + 1) % 10}{value[at + 1 :]}"
