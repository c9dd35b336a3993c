"""Questions with their answers, as people have them: rows of a table, or conversations."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.files.json_text import JsonTextError, parse_structure
from quantgate.pipelines.specs.loading import listed_columns

_QUESTIONS = ("question", "prompt", "input", "instruction", "query", "request", "user", "text")
_ANSWERS = (
    "expected",
    "answer",
    "expected_answer",
    "expected_output",
    "reference",
    "reference_answer",
    "output",
    "response",
    "completion",
    "target",
    "label",
    "gold",
    "ground_truth",
    "ideal",
)
_LABELS = (
    "slices",
    "slice",
    "category",
    "topic",
    "type",
    "intent",
    "domain",
    "task",
    "language",
    "lang",
    "difficulty",
    "level",
)
_SYSTEM, _CONTEXT, _TOOLS = ("system", "system_prompt"), ("context", "passage"), ("tools",)
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_STRUCTURES = ("{", "[")


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRow:
    """A conversation up to what the user asked last, and the answer that is right; None: not written yet.

    `reply` is that answer as its source writes it, which is what calibration gets to see. `labels` are what
    the source says of the row: categories, languages, levels. `number` is the row's, from 1.
    """

    number: int
    messages: tuple[Message, ...]
    answer: JsonValue
    reply: Message | None = None
    tools: tuple[JsonObject, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """What the user asked last."""
        return self.messages[-1].content


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns of a table hold what; "" where none does."""

    question: str
    answer: str
    labels: tuple[str, ...] = ()
    system: str = ""
    context: str = ""
    tools: str = ""


def columns_of(names: Sequence[str], *, question: str | None, answer: str | None) -> Columns:
    """Return what the columns of a table are, by their names; `question` and `answer` say it.

    Raises:
        InputError: no column can be told for the question, or a named one is not there.
    """
    for name in (question, answer):
        if name is not None and name not in names:
            raise InputError(
                f"there is no column '{name}'; there are {listed_columns(names)}",
                next_step="name one of these columns",
            )
    asked = question or _first(names, _QUESTIONS)
    if not asked:
        raise InputError(
            f"no column is called like a question; there are {listed_columns(names)}",
            next_step="say which one it is: --question COLUMN, and --answer COLUMN",
        )
    rest = [name for name in names if name != asked]
    return Columns(
        question=asked,
        answer=answer or _first(rest, _ANSWERS),
        labels=tuple(name for name in rest if _level(name) in _LABELS and name != answer),
        system=_first(rest, _SYSTEM),
        context=_first(rest, _CONTEXT),
        tools=_first(rest, _TOOLS),
    )


def row_of_cells(cells: Mapping[str, JsonValue], columns: Columns, number: int) -> StartRow | None:
    """Return a table's row; None where it asks nothing. Cells may hold JSON: calls, objects, tools."""
    question = _text(cells, columns.question)
    if not question:
        return None
    context, system = _text(cells, columns.context), _text(cells, columns.system)
    asked = Message(role="user", content=f"{context}\n\n{question}" if context else question)
    before = (Message(role="system", content=system),) if system else ()
    tools = _opened(cells.get(columns.tools))
    written = _text(cells, columns.answer)
    return StartRow(
        number=number,
        messages=(*before, asked),
        answer=_opened(cells[columns.answer]) if written else None,
        reply=Message(role="assistant", content=written) if written else None,
        tools=tuple(tool for tool in tools if isinstance(tool, dict))
        if isinstance(tools, list)
        else (),
        labels=tuple(
            f"{_level(name)}_{label}" if _is_number(label) else label
            for name in columns.labels
            for label in _names(cells.get(name))
        ),
    )


def row_of_chat(
    messages: Sequence[Message], tools: Sequence[JsonObject], label: str, number: int
) -> StartRow | None:
    """Return a conversation's row: its last answer is the right one; None where nobody asks anything."""
    said = list(messages)
    reply = said.pop() if said and said[-1].role == "assistant" else None
    while said and said[-1].role != "user":
        said.pop()
        reply = None
    if not said or not said[-1].content.strip():
        return None
    return StartRow(
        number=number,
        messages=tuple(said),
        answer=(list(reply.tool_calls) or _opened(reply.content) or None) if reply else None,
        reply=reply,
        tools=tuple(tools),
        labels=(label,) if label else (),
    )


def _first(names: Sequence[str], spellings: Sequence[str]) -> str:
    levelled = {_level(name): name for name in reversed(names)}
    return next((levelled[name] for name in spellings if name in levelled), "")


def _level(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name.casefold()).strip("_")


def _text(cells: Mapping[str, JsonValue], column: str) -> str:
    value = cells.get(column) if column else None
    if isinstance(value, dict | list | bool):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value).strip()


def _opened(value: JsonValue) -> JsonValue:
    """A cell that is written as a JSON object or list is one; every other text stays as it is."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text.startswith(_STRUCTURES):
        return text
    try:
        return parse_structure(text)
    except JsonTextError:
        return text


def _names(value: JsonValue) -> list[str]:
    if isinstance(value, list):
        return [str(part) for part in value]
    return [] if value is None or str(value).strip() == "" else [str(value).strip()]


def _is_number(label: str) -> bool:
    return label.replace(".", "", 1).isdigit()
