"""Writes what `quantgate init` proposes: a folder with suite, traffic, corpus, policy and build file."""

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.authoring.starting.answers import GraderChoice
from quantgate.pipelines.authoring.starting.rows import StartRow
from quantgate.pipelines.authoring.starting.slicing import ProposedSlice
from quantgate.pipelines.authoring.starting.splitting import provable_items
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import GraderSpec, Message
from quantgate.pipelines.domain.values import JsonObject, JsonValue, canonical_json, text_or_json
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.specs.chat_messages import plain_message
from quantgate.pipelines.suites.load import SUITE_FILE
from quantgate.pipelines.suites.sources import ITEMS_FILE

BUILD_FILE, POLICY_FILE, CORPUS_FILE = "build.yaml", "policy.yaml", "corpus.yaml"
TRAFFIC_FILE = "traffic/messages.jsonl"
SUITE_FOLDER = "suite"
_CALIBRATED = ("Q8_0", "Q4_K_M--imatrix", "Q3_K_M--imatrix")
_UNCALIBRATED = ("Q8_0", "Q5_K_M", "Q4_K_M")
_MOST_SEQUENCES = 1000
_CHARACTERS_PER_TOKEN = 2.5
_FEWEST_TOKENS = 64

_SUITE = """\
# Your questions with the answers that are right. Proposed by `quantgate init`: read it before you trust it.
name: {name}
version: 1                     # raise it when items change
description: {description}
# {why}
grader: {grader}
decode: {{max_tokens: {max_tokens}, temperature: 0.0}}   # the longest right answer, with room
# Every slice is judged on its own. {provable} items without a break let one pass; smaller ones count in the
# whole, and are listed as unproven. `critical: true` allows no break at all.
slices:
{slices}"""

_POLICY = """\
# When a variant may ship. These are the defaults, written out.
max_break_rate: {max_break_rate:<12}# of the items the full-precision model reliably gets right …
confidence: {confidence:<16}# … shown by an exact one-sided upper bound
critical_slices: {critical_slices:<11}# slices in which not a single item may break
require_all_slices: {require_all_slices:<8}# true: slices too small to prove themselves block as well
reference_runs: {reference_runs:<12}# the base answers this often; items on which it differs do not count
"""

_CORPUS = """\
# What calibration may look at: rows that the suite does not hold, nor anything close to one of its items.
# Registered as `{name}@<version>`; the version rises when and only when the chosen sequences change.
name: {quoted_name}
description: Conversations that were left over when the suite was drawn.
sources:
  - path: {traffic}
sequences: {sequences}
seed: 0
"""

_BUILD = """\
# What to build, on what to judge it, and what it is registered as. Paths are relative to this file.
name: {name}
model: {model}
suite: {suite}
policy: {policy}
{corpus}recipes:                       # `quantgate recipes` lists all of them
{recipes}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedTask:
    """All that is written. `choices` are the graders by row number; rows without one lack an answer.

    `model` is "" where none was named.
    """

    name: str
    model: str
    description: str
    suite: tuple[StartRow, ...]
    choices: Mapping[int, GraderChoice]
    slices: tuple[ProposedSlice, ...]
    traffic: tuple[JsonObject, ...]

    @property
    def usual(self) -> GraderChoice | None:
        """The grader of most items."""
        counts = Counter(map(_key, self.choices.values()))
        if not counts:
            return None
        key = counts.most_common(1)[0][0]
        return next(choice for choice in self.choices.values() if _key(choice) == key)

    @property
    def graders(self) -> tuple[tuple[GraderChoice, int], ...]:
        """Every grader that is used, with the number of its items, the usual one first."""
        counts = Counter(map(_key, self.choices.values()))
        first = {_key(choice): choice for choice in reversed(tuple(self.choices.values()))}
        return tuple((first[key], count) for key, count in counts.most_common())

    @property
    def unwritten(self) -> int:
        """How many items lack an answer."""
        return len(self.suite) - len(self.choices)

    @property
    def used_slices(self) -> tuple[tuple[ProposedSlice, int], ...]:
        """Slices that hold items, with how many."""
        numbers = {row.number for row in self.suite}
        counted = ((each, len(each.rows & numbers)) for each in self.slices)
        return tuple((each, count) for each, count in counted if count)


def refuse_taken(folder: Path) -> None:
    """Refuse a folder that holds something: nothing is overwritten.

    Raises:
        InputError: naming it.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            "is there already, and nothing is overwritten",
            where=str(folder),
            next_step="name another folder, or move this one away",
        )


def write_task(task: StartedTask, folder: Path) -> None:
    """Write the files, the build file last: all of them, or none that would stand in the way of the next try.

    The folder held nothing before (`refuse_taken`).
    """
    was_there = folder.is_dir()
    try:
        _write_files(task, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if was_there:
            folder.mkdir(exist_ok=True)
        raise


def _write_files(task: StartedTask, folder: Path) -> None:
    usual = task.usual
    write_text(folder / SUITE_FOLDER / ITEMS_FILE, _lines(_item(task, row) for row in task.suite))
    write_text(
        folder / SUITE_FOLDER / SUITE_FILE,
        _SUITE.format(
            name=_quoted(task.name),
            description=_quoted(task.description),
            why=_sentence(usual.why) if usual else "No answers yet: choose the grader that fits.",
            grader=_grader_text(usual.grader) if usual else "{kind: exact}",
            max_tokens=_max_tokens(task.suite),
            provable=provable_items(),
            slices="".join(
                f"  {_quoted(each.name)}: {{description: {_quoted(each.description)}}}"
                f"   # {count} items\n"
                for each, count in task.used_slices
            ),
        ),
    )
    write_text(folder / POLICY_FILE, _policy(Policy()))
    if task.traffic:
        write_text(folder / TRAFFIC_FILE, _lines(task.traffic))
        name = f"{task.name}-traffic"
        sequences = min(_MOST_SEQUENCES, len(task.traffic))
        write_text(
            folder / CORPUS_FILE,
            _CORPUS.format(
                name=name, quoted_name=_quoted(name), traffic=TRAFFIC_FILE, sequences=sequences
            ),
        )
    write_text(folder / BUILD_FILE, _build(task))


def _policy(policy: Policy) -> str:
    return _POLICY.format(
        max_break_rate=policy.max_break_rate,
        confidence=policy.confidence,
        critical_slices=json.dumps(policy.critical_slices),
        require_all_slices=json.dumps(policy.require_all_slices),
        reference_runs=policy.reference_runs,
    )


def _build(task: StartedTask) -> str:
    without = (
        "# corpus: corpus.yaml        # calibrated recipes (`*--imatrix`, GPTQ, AWQ) need traffic: rows "
        "that are no items\n"
    )
    return _BUILD.format(
        name=_quoted(task.name),
        model=_quoted(task.model) if task.model else "ORG/NAME   # a folder, or a hub id",
        suite=SUITE_FOLDER,
        policy=POLICY_FILE,
        corpus=f"corpus: {CORPUS_FILE}\n" if task.traffic else without,
        recipes="".join(
            f"  - {name}\n" for name in (_CALIBRATED if task.traffic else _UNCALIBRATED)
        ),
    )


def _item(task: StartedTask, row: StartRow) -> JsonObject:
    choice, usual = task.choices.get(row.number), task.usual
    item: JsonObject = {"id": f"q-{row.number:04}", **_asked(row.messages)}
    item["expected"] = choice.expected if choice else None
    item["slices"] = [each.name for each in task.slices if row.number in each.rows]
    if row.tools:
        item["tools"] = list(row.tools)
    if choice is not None and usual is not None and _key(choice) != _key(usual):
        item["grader"] = {"kind": choice.grader.kind, **choice.grader.options}
    if choice is None:
        item["draft"] = {"source": f"row {row.number}"}
    return item


def _asked(messages: Sequence[Message]) -> JsonObject:
    if len(messages) == 1:
        return {"prompt": messages[0].content}
    return {"messages": [plain_message(message) for message in messages]}


def _lines(rows: Iterable[JsonObject]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _quoted(value: JsonValue) -> str:
    """Return a value as YAML, texts always in quotes: `no`, `on` and `null` would be read as something else.

    What does not print (DEL, the other line ends) is escaped: YAML refuses it, or reads a space.
    """
    shown = json.dumps(value, ensure_ascii=False)
    return shown if shown.isprintable() else json.dumps(value)


def _key(choice: GraderChoice) -> str:
    return f"{choice.grader.kind} {canonical_json(choice.grader.options)}"


def _grader_text(spec: GraderSpec) -> str:
    options = "".join(f", {name}: {_quoted(value)}" for name, value in spec.options.items())
    return f"{{kind: {spec.kind}{options}}}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _max_tokens(rows: Sequence[StartRow]) -> int:
    """Return a power of two with room for twice the longest answer, counted by characters."""
    longest = max(
        (len(text_or_json(row.answer)) for row in rows if row.answer is not None), default=0
    )
    tokens = max(_FEWEST_TOKENS, 2 * longest / _CHARACTERS_PER_TOKEN)
    return int(2 ** math.ceil(math.log2(tokens)))
