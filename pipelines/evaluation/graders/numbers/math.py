"""Grades formulas and numbers by what they mean; a child process compares them with math-verify."""

from dataclasses import dataclass
from decimal import Decimal
from math import isfinite

from quantgate.pipelines.domain.run import Grade, Way
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.graders.reading.expectations import unusable
from quantgate.pipelines.evaluation.graders.reading.fences import without_end_tokens
from quantgate.pipelines.evaluation.graders.reading.grades import judged
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.graders.reading.wording import shorten, storable


@dataclass(frozen=True, slots=True, kw_only=True)
class MathGrader:
    r"""Compares the answer's last formula, or the boxed one, with the expected one by meaning.

    `expected` is a number, a formula in LaTeX or plain notation (`\frac{1}{2}`, `1/2`, `x^2+1`), or a
    list of them of which any is accepted. Where the answer has formulas in LaTeX the last one counts,
    else its last number. Numbers have to agree in `decimals` places and, however small, in as many
    significant digits. `strict` makes names of variables count. An answer that cannot be compared within
    `seconds` of processor time is wrong.
    """

    seconds: float = 10.0
    decimals: int = 6
    strict: bool = True

    @property
    def name(self) -> str:
        """Name and version."""
        return "math@2"

    @property
    def worker(self) -> str:
        """See `ObservedGrader`."""
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
        wanted = _wanted(item.expected)
        return wanted.reason if isinstance(wanted, Refused) else None

    def question(self, answer_text: str, item: Item) -> JsonValue:
        """Return what the answer says after its thoughts, and what is expected."""
        wanted = _wanted(item.expected)
        expected = [] if isinstance(wanted, Refused) else [storable(one) for one in wanted]
        return {"answer": storable(without_end_tokens(answer_text)), "expected": list(expected)}

    def grade_observed(self, answer_text: str, item: Item, observation: JsonValue) -> Grade:
        """Grade by what was compared; the reason shows both formulas as they were understood."""
        seen = observation if isinstance(observation, dict) else {}
        wanted = _wanted(item.expected)
        if isinstance(wanted, Refused):
            return judged(self.name, problem=unusable(wanted.reason), canonical=answer_text.strip())
        found = seen.get("found")
        return judged(
            self.name,
            problem=self._problem(seen, wanted),
            canonical=found if isinstance(found, str) else without_end_tokens(answer_text),
            expected="means what is expected",
            way=_WAYS.get(str(seen.get("state")), "wrong value"),
        )

    def _problem(self, seen: JsonObject, wanted: tuple[str, ...]) -> str | None:
        state = seen.get("state")
        if state == "compared" and seen.get("equal") is True:
            return None
        others = f" (or {len(wanted) - 1} others)" if len(wanted) > 1 else ""
        return {
            "compared": f"{shorten(str(seen.get('found')))} instead of "
            f"{shorten(str(seen.get('wanted')))}{others}",
            "unparsed": "there is no formula and no number in it",
            "unusable": unusable(f"{shorten(wanted[0])!r} is not a formula"),
            "late": f"could not be compared within {self.seconds:g} s",
        }.get(str(state), "could not be compared")


_WAYS: dict[str, Way] = {"unparsed": "no answer in it", "late": "too slow"}


def _wanted(expected: JsonValue) -> tuple[str, ...] | Refused:
    listed = expected if isinstance(expected, list | tuple) else [expected]
    if not listed:
        return Refused(reason="the list of accepted formulas is empty")
    wanted = []
    for one in listed:
        if isinstance(one, bool) or not isinstance(one, str | int | float):
            return Refused(reason="it is neither a formula nor a number")
        if isinstance(one, float) and not isfinite(one):
            return Refused(reason="it is no finite number")
        wanted.append(format(Decimal(repr(one)), "f") if isinstance(one, float) else str(one))
        if not wanted[-1].strip():
            return Refused(reason="an accepted formula is blank")
    return tuple(wanted)
