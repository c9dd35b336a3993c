"""What a place holds that may be a quant: GGUF models, each once however many parts it has, and folders."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.formats.gguf_parts import read_part_name

GGUF_SUFFIX = ".gguf"
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A GGUF file (of parts the first) or a folder that may be a quant; `source` says where it was found.

    Of what a pattern picked, whatever is no quant is left out; what was named outright is refused.
    """

    path: Path
    source: str
    name: str
    picked: bool


def model_name(file_name: str) -> str:
    """Return what a GGUF's model is called: its file's name without the part, and without `.gguf`."""
    part = read_part_name(file_name)
    return part.stem if part else file_name.removesuffix(GGUF_SUFFIX)


def first_parts(names: Iterable[str]) -> tuple[str, ...]:
    """Return one name for each model: of those in parts that of the first, whichever were named."""
    firsts: dict[str, None] = {}
    for name in names:
        folder, slash, last = name.rpartition("/")
        part = read_part_name(last)
        firsts[folder + slash + (part.of(1) if part else last)] = None
    return tuple(firsts)


def nearest_names(name: str, names: Sequence[str]) -> str:
    """Return a hint: names that are spelled nearly like one, else the first of all."""
    near = difflib.get_close_matches(name, names, n=_SHOWN, cutoff=0.4) or list(names[:_SHOWN])
    more = f" and {len(names) - len(near)} more" if len(names) > len(near) else ""
    return f"there are {', '.join(near)}{more}" if near else "there are none"
