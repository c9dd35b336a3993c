"""`quantgate init`: from a file of questions to a folder that `quantize` builds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.calibration.checks.contamination import copied_rows
from quantgate.flows.cli.options import refuse_idle
from quantgate.flows.cli.starting.reading import SAMPLES, read_start
from quantgate.flows.settings import Settings
from quantgate.pipelines.authoring.starting.answers import (
    AnswerLabels,
    GraderChoice,
    grader_choice,
    item_of,
)
from quantgate.pipelines.authoring.starting.folder import (
    BUILD_FILE,
    SUITE_FOLDER,
    StartedTask,
    refuse_taken,
    write_task,
)
from quantgate.pipelines.authoring.starting.rows import StartRow
from quantgate.pipelines.authoring.starting.slicing import proposed_slices
from quantgate.pipelines.authoring.starting.splitting import Split, split, unrepeated
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.registrable import suite_name_problem
from quantgate.pipelines.domain.suites.suite import Item, Message
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.reading import at_home
from quantgate.pipelines.report.wording import plural
from quantgate.pipelines.specs.chat_messages import plain_message

_MOST_ITEMS = 200
"""Of a suite, where nobody says how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """The command line of `quantgate init`."""

    folder: Path
    source: str | None = None
    model: str | None = None
    question: str | None = None
    answer: str | None = None
    items: int | None = None


def start_command(options: StartOptions) -> int:
    """Write the folder, and say what was chosen, and why, and what comes next.

    Raises:
        InputError: the folder is taken, or the questions cannot be read.
    """
    folder = at_home(options.folder)
    name = folder.absolute().name
    if problem := suite_name_problem(name):
        raise InputError(
            f"{name!r} {problem}",
            where="the folder's name",
            next_step="choose another name: `quantgate init FOLDER`",
        )
    if options.source is None:
        refuse_idle(
            "init",
            {
                "--question": options.question,
                "--answer": options.answer,
                "--items": options.items,
            },
            because="without --from there is no file to read, and three questions to be replaced",
            next_step="add --from FILE, or leave it out",
        )
    refuse_taken(folder)
    rows = _rows(options)
    single = unrepeated(rows)
    slices = proposed_slices(single)
    parts = split(single, slices, options.items or _MOST_ITEMS)
    labels = AnswerLabels.of(single)
    choices = {
        row.number: choice
        for row in parts.suite
        if (choice := grader_choice(row, labels)) is not None
    }
    traffic = _apart(parts, choices)
    task = StartedTask(
        name=name,
        model=_model(options.model),
        description=_description(options),
        suite=parts.suite,
        choices=choices,
        slices=slices,
        traffic=tuple(map(_conversation, traffic)),
    )
    write_task(task, folder)
    _tell(task, options, repeated=len(rows) - len(single), close=len(parts.traffic) - len(traffic))
    return 0


def _rows(options: StartOptions) -> tuple[StartRow, ...]:
    if options.source is None:
        return SAMPLES
    settings = Settings.from_environment()
    return read_start(options.source, settings, question=options.question, answer=options.answer)


def _apart(parts: Split, choices: dict[int, GraderChoice]) -> tuple[StartRow, ...]:
    """Return traffic without rows that hold a copy of an item, as planning would look for them."""
    items = [
        item_of(row, choices[row.number]) if row.number in choices else _unanswered(row)
        for row in parts.suite
    ]
    sequences = [CorpusSequence(id=str(row.number), messages=_whole(row)) for row in parts.traffic]
    close = copied_rows(sequences, items)
    return tuple(row for row in parts.traffic if str(row.number) not in close)


def _unanswered(row: StartRow) -> Item:
    return Item(id=str(row.number), messages=row.messages, expected=None, slices=())


def _whole(row: StartRow) -> tuple[Message, ...]:
    return (*row.messages, row.reply) if row.reply else row.messages


def _conversation(row: StartRow) -> JsonObject:
    messages = [plain_message(message) for message in _whole(row)]
    value: JsonObject = {"id": f"row-{row.number}", "messages": list(messages)}
    if row.tools:
        value["tools"] = list(row.tools)
    return value


def _model(named: str | None) -> str:
    """A folder or file here is written in full: a build file's paths are relative to itself."""
    if not named:
        return ""
    path = at_home(Path(named))
    return str(path.absolute()) if path.exists() else named


def _description(options: StartOptions) -> str:
    if options.source is None:
        return "Three questions to be replaced by your own."
    return f"Questions from {Path(options.source).name}."


def _tell(task: StartedTask, options: StartOptions, *, repeated: int, close: int) -> None:
    folder = options.folder
    print(f"{folder / SUITE_FOLDER}: {plural(len(task.suite), 'item')}{_repeated(repeated)}")
    for choice, count in task.graders:
        print(f"  grader {choice.grader.kind}: {plural(count, 'item')}, {choice.why}")
    if task.unwritten:
        print(f"  no answer yet: {plural(task.unwritten, 'item')}; write their `expected`")
    for each, count in task.used_slices:
        print(f"  slice {each.name}: {plural(count, 'item')}, {each.description}")
    print(_traffic_line(task, close))
    build = folder / BUILD_FILE
    model = "" if options.model else " ORG/NAME"
    commands: Sequence[str] = (
        f"quantgate suite check {folder / SUITE_FOLDER}",
        f"quantgate quantize{model} --build {build} --plan",
        f"quantgate quantize{model} --build {build}",
    )
    print("next:")
    for command in commands:
        print(f"  {command}")


def _traffic_line(task: StartedTask, close: int) -> str:
    if not task.traffic:
        return "no traffic: too few rows to calibrate on, so recipes are those that need none"
    without = f"; {plural(close, 'row')} too close to an item left out" if close else ""
    return f"traffic: {plural(len(task.traffic), 'conversation')} that the suite does not hold{without}"


def _repeated(count: int) -> str:
    return f" ({plural(count, 'row')} asked the same again)" if count else ""
