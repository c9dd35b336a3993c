"""The file of people's labels by which a judge model is measured."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from pipelines.domain.anchor import AnchorLabel
from pipelines.domain.values import Digest
from pipelines.specs.loading import Spec, load_json_lines


class AnchorSpec(Spec):
    """One line of an anchor file: what a person says of one answer to one item."""

    item_id: str = Field(min_length=1)
    """The item."""
    answer_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """sha256 of the answer's text in UTF-8."""
    label: Literal["right", "wrong"]
    """What the person says."""
    note: str = ""
    """Why, or by whom."""

    def anchor_label(self) -> AnchorLabel:
        """Return the domain object."""
        return AnchorLabel(
            item_id=self.item_id,
            answer_digest=Digest(self.answer_digest),
            right=self.label == "right",
        )


def load_anchor(file: Path) -> tuple[AnchorLabel, ...]:
    """Read an anchor file.

    Raises:
        InputError: where it is missing, or with every problem and its line.
    """
    return tuple(row.anchor_label() for row in load_json_lines(file, AnchorSpec))
