"""Rows of corpus sources: chat logs and text in JSON lines, or plain text files."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipelines.domain.corpus import CorpusSequence
from pipelines.domain.errors import InputError
from pipelines.domain.suite import Message
from pipelines.specs.loading import load_json_lines, numbered_lines
from pipelines.specs.suite_files import MessageSpec


class _Row(BaseModel):
    """One row of a chat log or text file; other columns are the source's own business."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = ""
    messages: tuple[MessageSpec, ...] = ()
    text: str = ""


def read_source(path: Path) -> Iterator[CorpusSequence]:
    """Yield the sequences of one source file, by its ending: `.jsonl` or `.txt` (a sequence a line).

    Rows without content are skipped.

    Raises:
        InputError: naming the file, and the row where there is one.
    """
    if path.suffix == ".jsonl":
        rows: Iterator[CorpusSequence] = _json_rows(path)
    elif path.suffix == ".txt":
        rows = (
            CorpusSequence(id=f"{path.stem}:{number}", text=line.strip())
            for number, line in numbered_lines(path)
        )
    else:
        raise InputError(f"sources end in .jsonl or .txt, not '{path.suffix}'", where=str(path))
    count = 0
    for sequence in rows:
        count += 1
        yield sequence
    if not count:
        raise InputError("this source has no rows with content", where=str(path))


def _json_rows(path: Path) -> Iterator[CorpusSequence]:
    for number, row in enumerate(load_json_lines(path, _Row), start=1):
        if row.messages and row.text:
            raise InputError(f"row {number} has both messages and text", where=str(path))
        if row.messages or row.text.strip():
            yield CorpusSequence(
                id=row.id or f"{path.stem}:{number}",
                messages=tuple(Message(role=m.role, content=m.content) for m in row.messages),
                text=row.text,
            )
