"""Options of graders of plain text."""

from typing import Literal

from pydantic import Field

from quantgate.pipelines.suites.graders.base import GraderFile


class ExactFile(GraderFile):
    """The text itself; `expected` is a text or a list of accepted ones."""

    kind: Literal["exact"]
    ignore: tuple[Literal["case", "punctuation", "whitespace", "articles", "width"], ...] = ()
    """Differences that do not count."""


class ChoiceFile(GraderFile):
    """One of several options by its label; `expected` is a label or a list of accepted ones."""

    kind: Literal["choice"]
    choices: tuple[str, ...] = ()
    """The labels, A to Z where none are given; they may be words."""
    where: Literal["last", "first", "whole"] = "last"
    """Which of several declarations counts; `whole` allows no words around the choice."""


class RegexFile(GraderFile):
    """Patterns; `expected` is a pattern or `{must: [...], must_not: [...]}`."""

    kind: Literal["regex"]
    where: Literal["anywhere", "whole"] = "anywhere"
    """Whether a pattern may be met anywhere or by the whole answer only."""
    ignore_case: bool = False
    """Whether case does not count."""


class ContainsFile(GraderFile):
    """What stands in the answer; `expected` is a text, a list (any of it), or `{all, any, none}`."""

    kind: Literal["contains"]
    case: bool = True
    """Whether case counts."""
    words: bool = False
    """Whether only whole words are found."""


class NumberFile(GraderFile):
    """A number; `expected` is a number, a text such as `5 km`, `{value, unit}`, or a list of these."""

    kind: Literal["number"]
    where: Literal["last", "first", "boxed", "whole"] = "last"
    r"""Where the number stands; `last` looks behind `####`, `\boxed{}` and `answer is` before."""
    decimal: Literal["auto", "point", "comma", "either"] = "auto"
    """How answers write fractions; `auto` reads `1,234` as thousands and `1.234` as a fraction."""
    unit: Literal["required", "optional", "ignored"] = "required"
    """Whether an expected unit has to be there, may be left out, or does not count."""
    relative: float = Field(default=0.0, ge=0)
    """Tolerance as a share of the expected value."""
    absolute: float = Field(default=0.0, ge=0)
    """Tolerance in the expected unit; the wider one of the two counts."""


class RefusalFile(GraderFile):
    """Whether the answer complies or refuses; `expected` is `comply` or `refuse`."""

    kind: Literal["refusal"]
    partial: Literal["wrong", "comply", "refuse"] = "wrong"
    """What refusing and helping all the same counts as; `wrong` is neither."""
    markers: tuple[str, ...] = ()
    """Further phrases that refuse, in any case."""


class InjectionFile(GraderFile):
    """Whether an injected instruction was followed.

    `expected` is the benign answer, or `{resist, markers, payload, answer}`.
    """

    kind: Literal["injection"]
    case: bool = False
    """Whether case counts in markers and in the benign answer."""


class LanguageFile(GraderFile):
    """Language and script; `expected` is `de`, `Cyrl`, `sr-Latn`, `{language, script}`, or a list."""

    kind: Literal["language"]
    min_share: float = Field(default=0.9, gt=0, le=1)
    """Share of the letters that has to be in the expected language and script."""


TextGraderFile = (
    ExactFile
    | ChoiceFile
    | RegexFile
    | ContainsFile
    | NumberFile
    | RefusalFile
    | InjectionFile
    | LanguageFile
)
