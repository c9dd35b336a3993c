"""Transcripts of single runs, read from wherever they lie.

A run is a sealed folder of a store (or a copy of one), or one file of JSON lines: `{"run": …}` with what
stands in that folder's manifest, then its answers.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from pipelines.domain.errors import InputError
from pipelines.domain.run import Answer
from pipelines.evaluation.runs import PROMPTS, TRANSCRIPT, RunRecord
from pipelines.files.reading import numbered_lines
from pipelines.files.records import from_json, to_json
from pipelines.files.sealed import MANIFEST, is_sealed, read_manifest, verify

_HEADER = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A run's raw answers, with what its manifest says of it.

    `prompts` are rendered prompts by answer id, where they lie beside the answers.
    """

    record: RunRecord
    answers: tuple[Answer, ...]
    source: Path
    prompts: Mapping[str, str] = field(default_factory=dict)


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
            answers=_answers(rows, folder),
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
    rows = numbered_lines(path)
    return Transcript(record=_header(rows, path), answers=_answers(rows, path), source=path)


def exported_lines(transcript: Transcript) -> Iterator[str]:
    """Yield the lines of one file that holds a run; `read_transcript` reads them back."""
    rows = ({_HEADER: to_json(transcript.record)}, *map(to_json, transcript.answers))
    for row in rows:
        yield json.dumps(row, ensure_ascii=False)


def _header(rows: Iterator[tuple[int, str]], path: Path) -> RunRecord:
    try:
        return from_json(RunRecord, json.loads(next(rows, (1, "{}"))[1])[_HEADER])
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise InputError(
            f"the first line does not say which run this is: it needs '{_HEADER}' with the record of "
            f"a run's {MANIFEST}, or nothing tells under which contract it was made",
            where=str(path),
        ) from error


def _prompts(path: Path) -> dict[str, str]:
    """What was asked: an answer to a prompt that opened a thought begins inside it."""
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
    rows = [json.loads(line) for line in lines if line]
    return {row["item_id"]: row.get("text", "") for row in rows}


def _answers(rows: Iterator[tuple[int, str]], path: Path) -> tuple[Answer, ...]:
    answers = []
    for number, line in rows:
        try:
            answers.append(from_json(Answer, json.loads(line)))
        except (ValueError, ValidationError) as error:
            raise InputError(f"line {number} is no answer", where=str(path)) from error
    return tuple(answers)
