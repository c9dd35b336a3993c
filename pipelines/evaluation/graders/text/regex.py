"""Grades a text answer by patterns that it has to meet and not to meet."""

from dataclasses import dataclass
from typing import Literal

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.graders.reading import patterns
from quantgate.pipelines.evaluation.graders.reading.expectations import (
    accepted_texts,
    composed,
    texts_at,
    unknown_key,
    unusable,
)
from quantgate.pipelines.evaluation.graders.reading.grades import judged
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

_FORBIDDEN = "is met and must not be"
_KEYS = ("must", "must_not")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    must: tuple[str, ...]
    must_not: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegexGrader:
    """Searches patterns in the answer, after Unicode NFC and without surrounding whitespace.

    `expected` is a pattern, or `{must: [...], must_not: [...]}`. `where: whole` lets a pattern of
    `must` be met only by the whole answer; what `must_not` be found may stand nowhere in either case.
    A pattern that takes too long on an answer makes it wrong, with a reason that names the pattern.
    """

    where: Literal["anywhere", "whole"] = "anywhere"
    ignore_case: bool = False

    @property
    def name(self) -> str:
        """Name and version."""
        return "regex@2"

    def problem(self, item: Item) -> str | None:
        """Say why the expectation can never be met, or None where its patterns can be searched."""
        rules = _rules(item.expected)
        if isinstance(rules, Refused):
            return rules.reason
        for pattern in (*rules.must, *rules.must_not):
            ready = patterns.compiled(composed(pattern), ignore_case=self.ignore_case)
            if isinstance(ready, Refused):
                return ready.reason
        both = next((pattern for pattern in rules.must if pattern in rules.must_not), None)
        return f"pattern {shorten(both)!r} must and must not be met" if both else None

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Grade an answer; the reason names the first pattern that is not as asked. Never raises."""
        text = composed(answer_text).strip()
        rules = _rules(item.expected)
        problem = self.problem(item)
        if problem or isinstance(rules, Refused):
            problem = unusable(problem or "")
        else:
            problem = self._unmet(rules, text)
        forbidden = problem is not None and problem.endswith(_FORBIDDEN)
        return judged(
            self.name,
            problem=problem,
            canonical=text,
            expected="as the patterns ask",
            way="forbidden text" if forbidden else "wrong value",
        )

    def _unmet(self, rules: _Rules, text: str) -> str | None:
        for pattern in rules.must:
            met = self._search(pattern, text, self.where)
            if isinstance(met, Refused):
                return met.reason
            if not met:
                extent = "is not met by the whole of" if self.where == "whole" else "is not in"
                return f"pattern {shorten(pattern)!r} {extent} {shorten(text)!r}"
        for pattern in rules.must_not:
            met = self._search(pattern, text, "anywhere")
            if isinstance(met, Refused):
                return met.reason
            if met:
                return f"pattern {shorten(pattern)!r} {_FORBIDDEN}"
        return None

    def _search(
        self, pattern: str, text: str, where: Literal["anywhere", "whole"]
    ) -> bool | Refused:
        ready = patterns.compiled(composed(pattern), ignore_case=self.ignore_case)
        return ready if isinstance(ready, Refused) else patterns.search(ready, text, where)


def _rules(expected: JsonValue) -> _Rules | Refused:
    if isinstance(expected, str):
        read = accepted_texts(expected, what="pattern")
        return read if isinstance(read, Refused) else _Rules(must=read)
    if not isinstance(expected, dict):
        return Refused(reason="it is neither a pattern nor {must: [...], must_not: [...]}")
    strange = unknown_key(expected, _KEYS)
    if strange:
        return strange
    must, must_not = (texts_at(expected, key, what="pattern") for key in _KEYS)
    if isinstance(must, Refused):
        return must
    if isinstance(must_not, Refused):
        return must_not
    if not must and not must_not:
        return Refused(reason="it has no pattern")
    return _Rules(must=must, must_not=must_not)
