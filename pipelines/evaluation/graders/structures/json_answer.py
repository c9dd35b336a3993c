"""Grades an answer that is JSON: whether it parses, meets its schema, and has the expected fields."""

from dataclasses import dataclass
from typing import Literal

from quantgate.pipelines.domain.run import Facet, Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import JsonObject, JsonValue, canonical_json
from quantgate.pipelines.evaluation.graders.reading.fences import unfenced
from quantgate.pipelines.evaluation.graders.reading.grades import in_way, scored, wrong
from quantgate.pipelines.evaluation.graders.reading.strict_json import (
    Refused,
    normalize,
    parse_strictly,
)
from quantgate.pipelines.evaluation.graders.structures.fields import (
    DEEPEST,
    FieldRules,
    LeafTally,
    difference,
    nothing_right,
    tallied,
)
from quantgate.pipelines.evaluation.graders.structures.schemas import schema_problem, violation

_WRAPPER = {"schema", "value"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExpectedJson:
    """A schema, a value, or both; `value` is in a tuple, since None is a JSON value too."""

    schema: JsonObject | None
    value: tuple[JsonValue] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonGrader:
    """Scores a JSON answer by aspects; it is right where all of them are.

    The answer is one strict JSON value; whitespace and one Markdown fence around it are tolerated.
    `expected` is the value, compared field by field as `FieldRules` says. The schema is the item's; an
    item without one may expect `{schema: …, value: …}`, or `{schema: …}` alone. Where the item has a schema
    and expects null, the schema is all that counts.
    The score is the share of right leaves, 0 where the answer does not parse or breaks its schema.
    """

    match: Literal["exact", "subset"] = "exact"
    unordered: tuple[str, ...] = ()
    absolute: float = 0.0
    relative: float = 0.0
    formats: bool = True

    @property
    def name(self) -> str:
        """Name and version."""
        return "json@3"

    def problem(self, item: Item) -> str | None:
        """Say why no answer could be right: a schema that is none, or a value that breaks it."""
        expected = _expectation(item)
        if expected.schema is None:
            return None
        if problem := schema_problem(expected.schema, formats=self.formats):
            return problem
        if expected.value is None:
            return None
        broken = violation(expected.value[0], expected.schema, formats=self.formats)
        return f"the expected value breaks its own schema at {broken}" if broken else None

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Grade an answer; the reason says what is wrong first. Never raises."""
        expected = _expectation(item)
        parsed = parse_strictly(unfenced(answer_text))
        if isinstance(parsed, Refused):
            tally = nothing_right(expected.value[0]) if expected.value else None
            facets = _facets(parses=False, schema=None if expected.schema is None else False)
            return wrong(
                self.name,
                canonical=answer_text.strip(),
                reason=parsed.reason,
                facets=(*facets, *_field_facets(tally)),
                way="not JSON",
            )
        return self._of_value(parsed.value, expected)

    def _of_value(self, value: JsonValue, expected: _ExpectedJson) -> Grade:
        broken = differs = tally = None
        if expected.schema is not None:
            broken = violation(value, expected.schema, formats=self.formats)
        if expected.value is not None:
            tally = tallied(expected.value[0], value, self._rules)
            differs = difference(expected.value[0], value, self._rules)
        facets = _facets(parses=True, schema=None if expected.schema is None else broken is None)
        share = tally.share if tally else 1.0
        grade = scored(
            self.name,
            score=0.0 if broken else share,
            correct=broken is None and differs is None,
            canonical=canonical_json(value),
            reason=f"breaks the schema at {broken}" if broken else differs or "as expected",
            facets=(*facets, *_field_facets(tally)),
        )
        return in_way(grade, "breaks its schema" if broken else "wrong value")

    @property
    def _rules(self) -> FieldRules:
        return FieldRules(
            match=self.match,
            unordered=self.unordered,
            absolute=self.absolute,
            relative=self.relative,
        )


def _expectation(item: Item) -> _ExpectedJson:
    expected = item.expected
    if item.schema is not None:
        value = None if expected is None else (normalize(expected),)
        return _ExpectedJson(schema=item.schema, value=value)
    if isinstance(expected, dict) and "schema" in expected and set(expected) <= _WRAPPER:
        schema = expected["schema"]
        if isinstance(schema, dict):
            value = (normalize(expected["value"]),) if "value" in expected else None
            return _ExpectedJson(schema=schema, value=value)
    return _ExpectedJson(schema=None, value=(normalize(expected),))


def _facets(*, parses: bool, schema: bool | None) -> tuple[Facet, ...]:
    first = Facet(name="parses", score=float(parses))
    return (first,) if schema is None else (first, Facet(name="schema", score=float(schema)))


def _field_facets(tally: LeafTally | None) -> tuple[Facet, ...]:
    """All leaves together, and those of each depth that has any."""
    if tally is None:
        return ()
    depths = (
        Facet(
            name=f"depth_{depth}{'+' if depth == DEEPEST else ''}",
            score=tally.right[depth] / tally.total[depth],
        )
        for depth in sorted(tally.total)
        if tally.total[depth]
    )
    return (Facet(name="fields", score=tally.share), *depths)
