"""Transcripts of single runs, read from wherever they lie.

A run is a sealed folder of a store (or a copy of one), or one file of JSON lines: `{"run": …}` with what
stands in that folder's manifest, then its answers.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.evaluation.asking import PROMPTS, TRANSCRIPT
from quantgate.pipelines.evaluation.runs import RunRecord
from quantgate.pipelines.files.json_text import JsonTextError, parse_structure
from quantgate.pipelines.files.reading import numbered_lines
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import MANIFEST, is_sealed, read_manifest, verify
from quantgate.pipelines.specs.loading import did_you_mean, not_json, validation_sentences
from quantgate.pipelines.suites.problems import Problem, refused

_HEADER = "run"
_WRITE = "`quantgate export BUILD --transcripts` writes such files; docs/verdicts.md says what is in them"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptHeader:
    """The first line of an exported file: which run it is, under which contract."""

    run: RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptAnswer(Answer):
    """A further line: an answer, and the rendered prompt where it is known.

    A prompt that opens a thought is needed to tell thoughts from the answer.
    """

    prompt: str = ""

    def answer(self) -> Answer:
        """Return the answer alone."""
        return Answer(**{field.name: getattr(self, field.name) for field in fields(Answer)})


TranscriptLine: TypeAlias = TranscriptHeader | TranscriptAnswer
"""A line of an exported file: the header is the first one, the others are answers in suite order."""

Record = TypeVar("Record", TranscriptHeader, TranscriptAnswer)
_ADAPTERS: dict[type, TypeAdapter[Any]] = {
    TranscriptHeader: TypeAdapter(TranscriptHeader),
    TranscriptAnswer: TypeAdapter(TranscriptAnswer),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A run's raw answers, with what its manifest says of it.

    `prompts` are rendered prompts by answer id, where they lie beside the answers.
    """

    record: RunRecord
    answers: tuple[Answer, ...]
    source: Path
    prompts: Mapping[str, str] = field(default_factory=dict)


def is_transcript(path: Path) -> bool:
    """Whether a path is a run of ours: a folder that is sealed, or a file whose first line says which run."""
    folder = path.parent if path.name == TRANSCRIPT else path
    if is_sealed(folder):
        return True
    if not path.is_file() or path.suffix != ".jsonl":
        return False
    _, line = next(numbered_lines(path), (1, ""))
    return line.lstrip().startswith(f'{{"{_HEADER}"')


def read_transcript(path: Path) -> Transcript:
    """Read a sealed run folder, its transcript file, or an exported file.

    Raises:
        InputError: where it is none of these, is damaged, or was altered since it was sealed.
    """
    folder = path.parent if path.name == TRANSCRIPT else path
    if is_sealed(folder):
        manifest = read_manifest(folder, RunRecord)
        verify(folder, manifest)
        rows = numbered_lines(folder / TRANSCRIPT)
        return Transcript(
            record=manifest.record,
            answers=tuple(row.answer() for row in _answers(rows, folder)),
            source=path,
            prompts=_prompts(folder / PROMPTS),
        )
    if not path.is_file():
        raise InputError(
            "is no finished run",
            where=str(path),
            next_step=f"name a folder with {MANIFEST} and {TRANSCRIPT}, as `runs/` of a store holds "
            "them, or an exported file of JSON lines",
        )
    lines = numbered_lines(path)
    record = _header(lines, path)
    answers = _answers(lines, path)
    return Transcript(
        record=record,
        answers=tuple(row.answer() for row in answers),
        source=path,
        prompts={row.item_id: row.prompt for row in answers if row.prompt},
    )


def exported_lines(transcript: Transcript) -> Iterator[str]:
    """Yield the lines of one file that holds a run; `read_transcript` reads them back."""
    yield json.dumps({_HEADER: to_json(transcript.record)}, ensure_ascii=False)
    for answer in transcript.answers:
        prompt = transcript.prompts.get(answer.item_id)
        row = {**cast("JsonObject", to_json(answer)), **({"prompt": prompt} if prompt else {})}
        yield json.dumps(row, ensure_ascii=False)


def _header(rows: Iterator[tuple[int, str]], path: Path) -> RunRecord:
    number, line = next(rows, (1, "{}"))
    header = _row(line, TranscriptHeader)
    if isinstance(header, TranscriptHeader):
        return header.run
    raise InputError(
        f"the first line does not say which run this is: it needs '{_HEADER}' with the record of a "
        f"run's {MANIFEST}, or nothing tells under which contract it was made\n  "
        + "\n  ".join(f"line {number}: {text}" for text in header),
        where=str(path),
        next_step=_WRITE,
    )


def _prompts(path: Path) -> dict[str, str]:
    """What was asked: an answer to a prompt that opened a thought begins inside it."""
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
    rows = [json.loads(line) for line in lines if line]
    return {row["item_id"]: row.get("text", "") for row in rows}


def _answers(rows: Iterator[tuple[int, str]], path: Path) -> tuple[TranscriptAnswer, ...]:
    answers: list[TranscriptAnswer] = []
    problems: list[Problem] = []
    for number, line in rows:
        answer = _row(line, TranscriptAnswer)
        if isinstance(answer, TranscriptAnswer):
            answers.append(answer)
        else:
            where = str(path)
            problems += [Problem(where=where, line=number, text=text) for text in answer]
    if problems:
        raise refused(problems)
    return tuple(answers)


def _row(line: str, noun: type[Record]) -> Record | list[str]:
    """Return a line as a noun, or one sentence for each field of it that is wrong.

    What a model said may hold any character, also ones that people's files may not.
    """
    try:
        value = parse_structure(line)
    except JsonTextError as error:
        return [not_json(error)]
    names = [field.name for field in fields(noun)]
    unknown = [key for key in value if key not in names] if isinstance(value, dict) else []
    problems = [f"unknown key '{key[:80]}'{did_you_mean(key, names)}" for key in unknown]
    try:
        record: Record = _ADAPTERS[noun].validate_python(value)
    except ValidationError as error:
        problems += validation_sentences(error, value)
        return problems
    return problems or record
