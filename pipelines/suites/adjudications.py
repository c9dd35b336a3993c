"""The file in which a team keeps what it decided about changed answers, beside its items."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pydantic import Field

from quantgate.pipelines.domain.suites.adjudication import Adjudication, Mark
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.reading import holds_file
from quantgate.pipelines.files.records import to_json, write_text
from quantgate.pipelines.specs.loading import Spec, load_json_lines

ADJUDICATIONS_FILE = "adjudications.jsonl"
_DIGEST = r"^[0-9a-f]{64}$"


class AdjudicationSpec(Spec):
    """One line of an adjudications file: what a person decided about one answer to one item."""

    item_id: str = Field(min_length=1)
    """The item."""
    item_sha256: str = Field(pattern=_DIGEST)
    """Digest of what it asked and expected; the decision ends when that changes."""
    answer_sha256: str = Field(pattern=_DIGEST)
    """Digest of the answer's text."""
    mark: Mark
    """equivalent, better or worse; worse counts as wrong, the others as right."""
    decided_by: str = Field(min_length=1)
    """Who decided."""
    decided_on: date
    """When, as 2026-11-21."""
    note: str = ""
    """Why, in a sentence."""

    def adjudication(self) -> Adjudication:
        """Return the domain object."""
        return Adjudication(
            item_id=self.item_id,
            item_sha256=Digest(self.item_sha256),
            answer_sha256=Digest(self.answer_sha256),
            mark=self.mark,
            decided_by=self.decided_by,
            decided_on=self.decided_on.isoformat(),
            note=self.note,
        )


def load_adjudications(file: Path) -> tuple[Adjudication, ...]:
    """Read an adjudications file; none where there is no such file.

    Raises:
        InputError: with every problem and its line.
    """
    if not holds_file(file):
        return ()
    return tuple(row.adjudication() for row in load_json_lines(file, AdjudicationSpec))


def append_adjudications(file: Path, decided: Sequence[Adjudication]) -> int:
    """Add decisions that the file does not hold already; return how many were added.

    Later lines win over earlier ones about the same answer, so that the file also says how opinions
    changed. It is replaced as a whole: a reader never sees half a line.

    Raises:
        InputError: where the file as it stands cannot be read.
    """
    earlier = load_adjudications(file)
    latest = {_about(adjudication): adjudication for adjudication in earlier}
    new = [
        adjudication for adjudication in decided if latest.get(_about(adjudication)) != adjudication
    ]
    lines = [
        json.dumps(to_json(adjudication), ensure_ascii=False) for adjudication in (*earlier, *new)
    ]
    if new:
        write_text(file, "".join(f"{line}\n" for line in lines))
    return len(new)


def _about(adjudication: Adjudication) -> tuple[str, str, str]:
    return adjudication.item_id, adjudication.item_sha256, adjudication.answer_sha256
