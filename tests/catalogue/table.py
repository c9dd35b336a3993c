"""The catalogue as a table of docs/models.md: drawn from outcomes, and read back for tests."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from quantgate.pipelines.checkpoints.architectures import REVIEWED_ARCHITECTURES
from tests.support.architectures.outcomes import RECIPES, BaseAnswer, Outcome

BEGIN, END = "<!-- catalogue: `make models` writes this -->", "<!-- end of the catalogue -->"
REVIEWED = " *"
_BUILT, _REFUSED, _UNMEASURED, UNTRIED = "built", "no", "–", "?"
_ENGINE = "in llama.cpp"
_LONGEST_REASON = 240
_SAID_ALREADY = (
    "llama.cpp's converter refuses it: ",
    "llama.cpp cannot compute what its converter makes of this checkpoint: ",
)
"""How refusals of a tool begin whose name stands before them."""
"""Who refuses is said before."""
_BUILT_IN = re.compile(r"/\S+/(?=(src|ggml)/)")
"""Where llama.cpp was compiled, in what it says of itself."""
_ROW = re.compile(r"\| (\w+)( \*)? \| (.+) \|")
_VERDICT = re.compile(r"built|no|equal|differs|–|\?")


class Reasons:
    """Why recipes are refused, each once, with the number that cells name it by."""

    def __init__(self) -> None:
        """Begin with none."""
        self._numbers: dict[str, int] = {}

    def number(self, who: str, reason: str) -> int:
        """Return the number of a reason."""
        sentence = f"{who}: {shortened(reason)}"
        return self._numbers.setdefault(sentence, len(self._numbers) + 1)

    def lines(self) -> Iterator[str]:
        """Yield them in the order of their numbers."""
        return (f"{number}. {sentence}" for sentence, number in self._numbers.items())


def catalogue_lines(
    outcomes: Mapping[str, Outcome | None], versions: Mapping[str, str]
) -> list[str]:
    """Return what stands between the markers, by names; None is what nobody tried with these tools."""
    reasons = Reasons()
    rows = [_row(name, outcome, reasons) for name, outcome in outcomes.items()]
    tried = [outcome for outcome in outcomes.values() if outcome is not None]
    header = ["architecture", *RECIPES, "in llama.cpp"]
    tools = ", ".join(f"{name} {version}" for name, version in versions.items())
    return [
        f"With {tools}: {_summary(tried)}",
        "",
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *rows,
        "",
        *reasons.lines(),
    ]


def verdicts(outcome: Outcome) -> tuple[str, ...]:
    """Return what the cells of an outcome say, without numbers."""
    recipes = (_BUILT if outcome.attempt(recipe).built else _REFUSED for recipe in RECIPES)
    answer = outcome.base.answer
    return (*recipes, _UNMEASURED if answer == "unmeasured" else answer)


def documented(page: Path) -> dict[str, tuple[str, ...]]:
    """Return what a page says of every architecture, as `verdicts` does."""
    _, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    rows = filter(None, map(_ROW.fullmatch, rest.partition(END)[0].splitlines()))
    return {row[1]: tuple(_VERDICT.findall(row[3])) for row in rows if row[1] != "architecture"}


def _row(name: str, outcome: Outcome | None, reasons: Reasons) -> str:
    cells = [f"{name}{REVIEWED}" if name in REVIEWED_ARCHITECTURES else name]
    if outcome is None:
        return f"| {' | '.join([*cells, *[UNTRIED] * (len(RECIPES) + 1)])} |"
    for attempt in map(outcome.attempt, RECIPES):
        number = 0 if attempt.built else reasons.number(attempt.refused_by, attempt.reason)
        cells.append(_BUILT if attempt.built else f"{_REFUSED} ({number})")
    return f"| {' | '.join([*cells, _answer(outcome.base, reasons)])} |"


def _answer(base: BaseAnswer, reasons: Reasons) -> str:
    match base.answer:
        case "equal" if not base.reason:
            return f"equal, {base.mean_kl:.0e}"
        case "equal":
            return f"equal, {base.mean_kl:.0e} ({reasons.number(_ENGINE, base.reason)})"
        case "differs":
            return f"**differs**, {base.mean_kl:.0e} ({reasons.number(_ENGINE, base.reason)})"
        case "unmeasured":
            return _UNMEASURED


def _summary(outcomes: Sequence[Outcome]) -> str:
    counts = (sum(outcome.attempt(recipe).built for outcome in outcomes) for recipe in RECIPES)
    built = ", ".join(f"{recipe} {count}" for recipe, count in zip(RECIPES, counts, strict=True))
    answers = Counter(outcome.base.answer for outcome in outcomes)
    return (
        f"{len(outcomes)} architectures, of which are built: {built}. llama.cpp computes what the "
        f"checkpoint says for {answers['equal']}, something else for {answers['differs']}."
    )


def shortened(reason: str) -> str:
    """Return the first line of a reason, without folders of this machine and what would end a cell."""
    line = " ".join((reason.splitlines() or [""])[0].split()).replace("|", "/")
    for beginning in _SAID_ALREADY:
        line = line.removeprefix(beginning)
    line = _BUILT_IN.sub("", line)
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON].rstrip()} …"


def write_into(page: Path, lines: Sequence[str]) -> None:
    """Replace what stands between the markers of a page."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, f"{page} lacks the markers of the catalogue"
    body = "\n".join(["", *lines, ""])
    page.write_text(f"{before}{BEGIN}{body}{END}{after}", encoding="utf-8")
