"""Quants that others made, as build files and command lines name them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.foreign import ServedTemplate
from quantgate.pipelines.domain.registrable import LONGEST_NAME
from quantgate.pipelines.files.reading import at_home
from quantgate.pipelines.specs.loading import Spec

HUB = "hub:"
"""What a place on the model hub begins with: `hub:org/name[@revision][:pattern]`."""


PlaceText = Annotated[str, Field(min_length=1)]
"""A place as it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPlace:
    """Where quants that others made are to be found: an absolute path, a pattern of such, or `hub:…`.

    `name` is what they are called in tables; None takes their own names. `template` says whose chat template
    they are served with: prompts are always rendered by the base's.
    """

    text: str
    name: str | None = None
    template: ServedTemplate = "own"


class ForeignEntry(Spec):
    """A quant that somebody else made, with what is to be said of it."""

    source: PlaceText
    """A GGUF file, a folder, a pattern of files, or `hub:org/name[@revision][:pattern]`."""
    name: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=LONGEST_NAME // 2
    )
    """What it is called in tables; of several files the beginning of their names."""
    template: ServedTemplate = "own"
    """Whose chat template it is served with: `own`, which has to be the base's, or `base`."""


def foreign_places(entries: Sequence[str | ForeignEntry], folder: Path) -> tuple[ForeignPlace, ...]:
    """Return the places that entries name; paths are relative to `folder`.

    Raises:
        InputError: where one is empty, or nobody's home folder.
    """
    if "" in entries:
        raise InputError(
            "names no place", where="--foreign", next_step="name a file, a folder or hub:org/name"
        )
    return tuple(
        ForeignPlace(text=_absolute(entry, folder))
        if isinstance(entry, str)
        else ForeignPlace(
            text=_absolute(entry.source, folder), name=entry.name, template=entry.template
        )
        for entry in entries
    )


def _absolute(text: str, folder: Path) -> str:
    return text if text.startswith(HUB) else str(folder / at_home(text))
