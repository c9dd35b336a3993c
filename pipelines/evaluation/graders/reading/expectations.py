"""What several graders expect: texts of which one or all have to be met."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.graders.reading.wording import shorten
from quantgate.pipelines.evaluation.invisible import without_invisible_ends


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedTexts:
    """Texts that all, any, or none may stand in an answer; an empty `any_of` asks nothing."""

    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()


def unusable(problem: str) -> str:
    """Return the reason of a grade whose expectation no answer could meet."""
    return f"the expectation is unusable: {problem}"


def composed(text: str) -> str:
    """Return `text` in Unicode NFC, in which equal characters are equal code points."""
    return unicodedata.normalize("NFC", text)


Read = TypeVar("Read")


def alternatives(expected: JsonValue) -> Sequence[JsonValue]:
    """Return what an expectation accepts: the elements of a list, or one value."""
    return expected if isinstance(expected, list | tuple) else (expected,)


def none_refused(readings: Iterable[Read | Refused]) -> tuple[Read, ...] | Refused:
    """Return all readings, or the first refusal, after which none is read."""
    accepted: list[Read] = []
    for reading in readings:
        if isinstance(reading, Refused):
            return reading
        accepted.append(reading)
    return tuple(accepted)


def accepted_texts(expected: JsonValue, *, what: str = "text") -> tuple[str, ...] | Refused:
    """Read a text, or a list of texts of which any is accepted.

    Characters that nobody sees do not count at their ends, as they do not at an answer's.
    Refused: other values, an empty list, and blank texts, which an answer without words would meet.
    """
    listed = alternatives(expected)
    if not listed:
        return Refused(reason=f"the list of accepted {what}s is empty")
    texts = []
    for entry in listed:
        if not isinstance(entry, str):
            return Refused(reason=f"it is not a {what} or a list of {what}s")
        texts.append(entry if what == "pattern" else without_invisible_ends(entry))
    if not all(text.strip() for text in texts):
        return Refused(reason=f"a {what} in it is blank")
    return tuple(texts)


def unknown_key(expected: JsonObject, allowed: tuple[str, ...]) -> Refused | None:
    """Refuse an object with a key that is none of `allowed`."""
    strange = next((key for key in expected if key not in allowed), None)
    if strange is None:
        return None
    return Refused(reason=f"unknown key {shorten(strange)!r}; known are {', '.join(allowed)}")


def texts_at(expected: JsonObject, key: str, *, what: str = "text") -> tuple[str, ...] | Refused:
    """Read the texts under `key`; none where it is absent."""
    return accepted_texts(expected[key], what=what) if key in expected else ()


def expected_texts(expected: JsonValue) -> ExpectedTexts | Refused:
    """Read `text`, `[texts]` (any of them), or `{all: …, any: …, none: …}`."""
    if not isinstance(expected, dict):
        texts = accepted_texts(expected)
        return texts if isinstance(texts, Refused) else ExpectedTexts(any_of=texts)
    strange = unknown_key(expected, ("all", "any", "none"))
    if strange:
        return strange
    all_of, any_of, none_of = (texts_at(expected, key) for key in ("all", "any", "none"))
    for read in (all_of, any_of, none_of):
        if isinstance(read, Refused):
            return read
    if not expected:
        return Refused(reason="it asks for nothing: give all, any or none")
    assert not isinstance(all_of, Refused)
    assert not isinstance(any_of, Refused)
    assert not isinstance(none_of, Refused)
    return ExpectedTexts(all_of=all_of, any_of=any_of, none_of=none_of)
