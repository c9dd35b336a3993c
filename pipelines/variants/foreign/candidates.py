"""What a place holds that may be a quant: GGUF models, each once however many parts it has, and folders."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.formats.gguf.parts import read_part_name

GGUF_SUFFIX = ".gguf"
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A GGUF file (of parts the first) or a folder that may be a quant; `source` says where it was found.

    Of what a pattern picked, whatever is no quant is left out; what was named outright is refused.
    `digests` has the sha256 of files by name as a hub lists them, where they are not all here to be hashed.
    """

    path: Path
    source: str
    name: str
    picked: bool
    digests: Mapping[str, Digest] = field(default_factory=dict)


def model_name(file_name: str) -> str:
    """Return what a GGUF's model is called: its file's name without the part, and without `.gguf`."""
    part = read_part_name(file_name)
    return part.stem if part else file_name.removesuffix(GGUF_SUFFIX)


def nearest_names(name: str, names: Sequence[str]) -> str:
    """Return a hint: names that are spelled nearly like one, else the first of all."""
    near = difflib.get_close_matches(name, names, n=_SHOWN, cutoff=0.4) or list(names[:_SHOWN])
    more = f" and {len(names) - len(near)} more" if len(names) > len(near) else ""
    return f"there are {', '.join(near)}{more}" if near else "there are none"
