"""The file of people's labels by which a judge model is measured."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.anchor import AnchorLabel, answer_digest
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.reading import holds_file
from quantgate.pipelines.specs.loading import Spec, load_json_lines


class AnchorSpec(Spec):
    """One line of an anchor file: what a person says of one answer to one item."""

    item_id: str = Field(min_length=1)
    """The item."""
    answer_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """sha256 of the answer's text in UTF-8."""
    label: Literal["right", "wrong"] | None
    """What the person says; null where nobody has looked yet, which counts for nothing."""
    note: str = ""
    """Why, or by whom."""
    question: str = ""
    """What was asked, for the person who reads."""
    expected: str = ""
    """What the suite expects, likewise."""
    answer: str | None = None
    """The answer, likewise; the digest is of this very text."""

    @model_validator(mode="after")
    def _is_of_this_answer(self) -> Self:
        if self.answer is not None and answer_digest(self.answer) != self.answer_digest:
            raise ValueError(
                "answer_digest is of another text than `answer`: leave both as they are"
            )
        return self

    def anchor_label(self) -> AnchorLabel:
        """Return the domain object."""
        return AnchorLabel(
            item_id=self.item_id,
            answer_digest=Digest(self.answer_digest),
            right=self.label == "right",
        )


def load_anchor(file: Path) -> tuple[AnchorLabel, ...]:
    """Read an anchor file; lines without a label are left out.

    Raises:
        InputError: where it is missing, or with every problem and its line.
    """
    if not holds_file(file):
        raise InputError(
            "the anchor file of a judge model is missing",
            where=str(file),
            next_step="write an empty one; `quantgate review BUILD --labels FILE` fills a sheet for "
            "people to label after the first build",
        )
    rows = load_json_lines(file, AnchorSpec) if file.stat().st_size else ()
    return tuple(row.anchor_label() for row in rows if row.label is not None)
