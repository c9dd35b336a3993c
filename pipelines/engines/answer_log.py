"""The transcript while it grows: one JSON line an answer, whole after any interruption."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.files.records import from_json_text, to_json


class AnswerLog:
    """Appends answers to a JSONL file and knows which items it already holds."""

    def __init__(self, file: Path) -> None:
        """Open the file, cutting off whatever a killed process left after the last whole line."""
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self._answered: set[str] = set()
        self.tokens = 0
        """How many tokens the answers have that were added since it was opened."""
        whole_bytes = 0
        content = file.read_bytes() if file.exists() else b""
        for line in content.splitlines(keepends=True):
            answer = _parsed(line)
            if answer is None:
                break
            self._answered.add(answer.item_id)
            whole_bytes += len(line)
        if whole_bytes < len(content):
            os.truncate(file, whole_bytes)

    @property
    def answered(self) -> frozenset[str]:
        """Ids of the items the file holds."""
        return frozenset(self._answered)

    def append(self, answers: Iterable[Answer]) -> None:
        """Add the answers that the file does not hold yet, in one durable write."""
        new = [answer for answer in answers if answer.item_id not in self._answered]
        lines = "".join(json.dumps(to_json(answer)) + "\n" for answer in new)
        with self._file.open("ab") as file:
            file.write(lines.encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        self._answered.update(answer.item_id for answer in new)
        self.tokens += sum(answer.length_tokens for answer in new)


def _parsed(line: bytes) -> Answer | None:
    """The answer of a whole line; None where the line is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        return from_json_text(Answer, line)
    except (ValueError, ValidationError):
        return None
