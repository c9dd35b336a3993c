"""What the worker that makes a checkpoint of a GGUF file is asked, and what it replies."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackCall:
    """Make a checkpoint folder in `output` (exists, empty) of the GGUF file `source`, or its first part.

    `package` is the folder of llama.cpp's own `gguf` package.
    """

    source: Path
    package: Path
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedFacts:
    """What was made. `notes` say what of the file nothing was made of; () where all of it was taken over."""

    architecture: str
    tensors: int
    notes: tuple[str, ...]
