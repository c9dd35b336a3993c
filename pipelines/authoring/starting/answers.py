"""Which grader judges an answer: proposed from the right answers themselves.

A grader is taken for an item only where it calls the item's own answer right. Of those that do, the first in
the order of `_PROPOSALS` is taken: the most telling form first, the text itself last.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from quantgate.pipelines.authoring.starting.rows import StartRow
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.suite import GraderSpec, Item
from quantgate.pipelines.domain.values import JsonObject, JsonValue, text_or_json
from quantgate.pipelines.evaluation.graders.table import grade_answer, grader_for
from quantgate.pipelines.files.json_text import JsonTextError, parse_structure

_LETTER = re.compile(r"\(?([A-Za-z])[).]?")
_OPTION = re.compile(r"^\s*\(?([A-Z])[).:]\s", re.MULTILINE)
_NUMBER = re.compile(
    r"[-+\u2212]?\W{0,2}\d[\d.,\u00a0\u202f ]*(?:e[-+]?\d+)?\s*(?:[^\W\d]\S*|%|°\S*)?(?:/\S+)?",
    re.I,
)
"""A number with a currency before or a unit behind it, and nothing else."""
_MOST_LABELS, _LABEL_WORDS, _FEWEST_OF_A_LABEL = 12, 3, 3
_SHORT_WORDS = 8
_CALL_KEYS = ({"name", "arguments"}, {"name", "parameters"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderChoice:
    """A grader with its options, what it expects, and why it was chosen."""

    grader: GraderSpec
    expected: JsonValue
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLabels:
    """The few short texts that are the answers of a whole file, such as `yes` and `no`; none otherwise."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[StartRow]) -> "AnswerLabels":
        """Return the labels of a file; empty where answers are too many different ones."""
        texts = [row.answer for row in rows if isinstance(row.answer, str)]
        counts = Counter(texts)
        few = 2 <= len(counts) <= min(_MOST_LABELS, len(texts) // _FEWEST_OF_A_LABEL)
        short = all(len(text.split()) <= _LABEL_WORDS for text in counts)
        apart = len({text.casefold() for text in counts}) == len(counts)
        numbers = any(_NUMBER.fullmatch(text) for text in counts)
        return cls(names=tuple(sorted(counts)) if few and short and apart and not numbers else ())


def grader_choice(row: StartRow, labels: AnswerLabels) -> GraderChoice | None:
    """Return the grader that fits a row's answer; None where it has none."""
    if row.answer is None:
        return None
    for choice in _proposals(row, labels):
        if _accepts(choice, row):
            return choice
    return None


def _proposals(row: StartRow, labels: AnswerLabels) -> Iterator[GraderChoice]:
    for propose in _PROPOSALS:
        choice = propose(row, labels)
        if choice is not None:
            yield choice


def _calls(row: StartRow, _labels: AnswerLabels) -> GraderChoice | None:
    calls = [_call(part) for part in (row.answer if isinstance(row.answer, list) else [row.answer])]
    if not calls or any(call is None for call in calls):
        return None
    if len(calls) == 1:
        return GraderChoice(
            grader=GraderSpec(kind="tool_call", options={"format": "auto"} if row.tools else {}),
            expected=calls[0],
            why="answers are calls of tools",
        )
    allowed: list[JsonValue] = [
        {str(call["name"]): _allowed(call["arguments"])} for call in calls if call is not None
    ]
    return GraderChoice(
        grader=GraderSpec(kind="bfcl"), expected=allowed, why="answers are several calls of tools"
    )


def _call(value: JsonValue) -> JsonObject | None:
    """Return a call as `{name, arguments}`, however a chat log or a cell writes it; None of anything else."""
    if not isinstance(value, dict):
        return None
    inner = value.get("function", value)
    if not isinstance(inner, dict) or set(inner) not in _CALL_KEYS:
        return None
    arguments = inner.get("arguments", inner.get("parameters"))
    if isinstance(arguments, str):
        try:
            arguments = parse_structure(arguments)
        except JsonTextError:
            return None
    if not isinstance(arguments, dict) or not isinstance(inner["name"], str):
        return None
    return {"name": inner["name"], "arguments": arguments}


def _allowed(arguments: JsonValue) -> JsonValue:
    """Return arguments as the leaderboard's answers have them: a list of allowed values each."""
    if not isinstance(arguments, dict):
        return {}
    return {
        name: [_allowed(value) if isinstance(value, dict) else value]
        for name, value in arguments.items()
    }


def _json(row: StartRow, _labels: AnswerLabels) -> GraderChoice | None:
    if not isinstance(row.answer, dict | list):
        return None
    return GraderChoice(grader=GraderSpec(kind="json"), expected=row.answer, why="answers are JSON")


def _refusal(row: StartRow, _labels: AnswerLabels) -> GraderChoice | None:
    if not isinstance(row.answer, str) or _NUMBER.fullmatch(row.answer):
        return None
    return GraderChoice(grader=GraderSpec(kind="refusal"), expected="refuse", why="answers refuse")


def _letter(row: StartRow, _labels: AnswerLabels) -> GraderChoice | None:
    letter = _LETTER.fullmatch(row.answer) if isinstance(row.answer, str) else None
    options = _OPTION.findall(row.question)
    if letter is None or letter[1].upper() not in options:
        return None
    return GraderChoice(
        grader=GraderSpec(kind="choice"),
        expected=letter[1].upper(),
        why="answers are letters of options in the question",
    )


def _label(row: StartRow, labels: AnswerLabels) -> GraderChoice | None:
    if not labels.names or not isinstance(row.answer, str):
        return None
    return GraderChoice(
        grader=GraderSpec(kind="choice", options={"choices": list(labels.names)}),
        expected=row.answer,
        why=f"answers are one of {len(labels.names)} labels",
    )


def _number(row: StartRow, _labels: AnswerLabels) -> GraderChoice | None:
    answer = row.answer
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        return None
    if isinstance(answer, str) and not _NUMBER.fullmatch(answer):
        return None
    # A table that says 12.50 where the model says "12.50 euros" means the same.
    return GraderChoice(
        grader=GraderSpec(kind="number", options={"unit": "optional"}),
        expected=answer,
        why="answers are numbers",
    )


def _formula(row: StartRow, _labels: AnswerLabels) -> GraderChoice | None:
    if not isinstance(row.answer, str) or "\\boxed{" not in row.answer:
        return None
    return GraderChoice(
        grader=GraderSpec(kind="number", options={"where": "boxed", "unit": "optional"}),
        expected=row.answer.rpartition("\\boxed{")[2].partition("}")[0],
        why="answers end in a boxed number",
    )


def _short(row: StartRow, _labels: AnswerLabels) -> GraderChoice | None:
    answer = str(row.answer).lower() if isinstance(row.answer, bool) else row.answer
    if not isinstance(answer, str) or "\n" in answer or len(answer.split()) > _SHORT_WORDS:
        return None
    return GraderChoice(
        grader=GraderSpec(kind="contains", options={"words": True, "case": False}),
        expected=answer.rstrip(" .") or answer,
        why="answers are a few words, which a model may put into a sentence",
    )


def _prose(row: StartRow, _labels: AnswerLabels) -> GraderChoice | None:
    if not isinstance(row.answer, str):
        return None
    return GraderChoice(
        grader=GraderSpec(kind="chrf", options={"threshold": 0.5}),
        expected=row.answer,
        why="answers are prose: held to how alike its letters are, which knows nothing of meaning",
    )


def _exact(row: StartRow, _labels: AnswerLabels) -> GraderChoice | None:
    return GraderChoice(
        grader=GraderSpec(kind="exact"), expected=text_or_json(row.answer), why="nothing else fits"
    )


_PROPOSALS: tuple[Callable[[StartRow, AnswerLabels], GraderChoice | None], ...] = (
    _calls,
    _json,
    _letter,
    _label,
    _refusal,
    _formula,
    _number,
    _short,
    _prose,
    _exact,
)


def item_of(row: StartRow, choice: GraderChoice) -> Item:
    """Return a row as an item that its grader can be asked about."""
    return Item(
        id=str(row.number),
        messages=row.messages,
        expected=choice.expected,
        slices=(),
        tools=row.tools,
        grader=choice.grader,
    )


def _accepts(choice: GraderChoice, row: StartRow) -> bool:
    """Whether an item can be met, and its own answer is right."""
    item, grader = item_of(row, choice), grader_for(choice.grader)
    if grader.problem(item) is not None:
        return False
    answer = Answer(
        item_id=item.id,
        text=text_or_json(_said(row, choice)),
        token_ids=(),
        finish_reason="stop",
        prompt_tokens=0,
    )
    return grade_answer(grader, answer, item).grade.correct


def _said(row: StartRow, choice: GraderChoice) -> JsonValue:
    """The row's answer as a model would say it: calls without what a log adds to them."""
    if choice.grader.kind == "tool_call":
        return choice.expected
    if choice.grader.kind == "bfcl" and isinstance(row.answer, list):
        return [_call(part) for part in row.answer]
    return row.answer
