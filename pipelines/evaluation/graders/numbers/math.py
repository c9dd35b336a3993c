"""Grades formulas and numbers by what they mean; a child process compares them with math-verify."""

from dataclasses import dataclass
from decimal import Decimal
from math import isfinite

from quantgate.pipelines.domain.run import Grade, Way
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.graders.reading.expectations import alternatives, unusable
from quantgate.pipelines.evaluation.graders.reading.fences import without_end_tokens
from quantgate.pipelines.evaluation.graders.reading.grades import judged
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.graders.reading.wording import shorten, storable


@dataclass(frozen=True, slots=True, kw_only=True)
class MathGrader:
    r"""Compares the answer's last formula, or the boxed one, with the expected one by meaning.

    `expected` is a number, a formula in LaTeX or plain notation (`\frac{1}{2}`, `1/2`, `x^2+1`), or a
    list of them of which any is accepted. What stands after the last `####` counts; else, where the answer
    has formulas in LaTeX, the last one of these, else its last number. Numbers have to agree in `decimals`
    places and, however small, in as many significant digits. `strict` makes names of variables count. An
    answer that cannot be compared within `seconds` of processor time is wrong.
    """

    seconds: float = 10.0
    decimals: int = 6
    strict: bool = True

    @property
    def name(self) -> str:
        """Name and version."""
        return "math@3"

    @property
    def worker(self) -> str:
        """The module that compares formulas."""
        return "quantgate.pipelines.evaluation.workers.math_observe"

    @property
    def options(self) -> JsonObject:
        """How formulas are compared, and by which versions."""
        from importlib.metadata import (
            version,
        )  # slow to import, and only for suites that ask for it

        return {
            "seconds": self.seconds,
            "decimals": self.decimals,
            "strict": self.strict,
            "math-verify": version("math-verify"),
            "sympy": version("sympy"),
        }

    def problem(self, item: Item) -> str | None:
        """Say why the expectation can never be met, or None where it may be formulas."""
        formulas = _expected_formulas(item.expected)
        return formulas.reason if isinstance(formulas, Refused) else None

    def question(self, answer_text: str, item: Item) -> JsonValue:
        """Return what the answer says after its thoughts, and what is expected."""
        formulas = _expected_formulas(item.expected)
        expected = (
            [] if isinstance(formulas, Refused) else [storable(formula) for formula in formulas]
        )
        return {"answer": storable(without_end_tokens(answer_text)), "expected": list(expected)}

    def grade_observed(self, answer_text: str, item: Item, observation: JsonValue) -> Grade:
        """Grade by what was compared; the reason shows both formulas as they were understood."""
        seen = observation if isinstance(observation, dict) else {}
        formulas = _expected_formulas(item.expected)
        if isinstance(formulas, Refused):
            return judged(
                self.name, problem=unusable(formulas.reason), canonical=answer_text.strip()
            )
        formula = seen.get("found")
        return judged(
            self.name,
            problem=self._problem(seen, formulas),
            canonical=formula if isinstance(formula, str) else without_end_tokens(answer_text),
            expected="means what is expected",
            way=_WAYS.get(str(seen.get("state")), "wrong value"),
        )

    def _problem(self, seen: JsonObject, formulas: tuple[str, ...]) -> str | None:
        state = seen.get("state")
        if state == "compared" and seen.get("equal") is True:
            return None
        others = f" (or {len(formulas) - 1} others)" if len(formulas) > 1 else ""
        return {
            "compared": f"{shorten(str(seen.get('found')))} instead of "
            f"{shorten(str(seen.get('wanted')))}{others}",
            "unparsed": "there is no formula and no number in it",
            "unusable": unusable(f"{shorten(formulas[0])!r} is not a formula"),
            "late": f"could not be compared within {self.seconds:g} s",
        }.get(str(state), "could not be compared")


_WAYS: dict[str, Way] = {"unparsed": "no answer in it", "late": "too slow"}


def _expected_formulas(expected: JsonValue) -> tuple[str, ...] | Refused:
    listed = alternatives(expected)
    if not listed:
        return Refused(reason="the list of accepted formulas is empty")
    formulas = []
    for formula in listed:
        if isinstance(formula, bool) or not isinstance(formula, str | int | float):
            return Refused(reason="it is neither a formula nor a number")
        if isinstance(formula, float) and not isfinite(formula):
            return Refused(reason="it is no finite number")
        formulas.append(
            format(Decimal(repr(formula)), "f") if isinstance(formula, float) else str(formula)
        )
        if not formulas[-1].strip():
            return Refused(reason="an accepted formula is blank")
    return tuple(formulas)
