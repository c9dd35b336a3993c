"""What is asked of the worker that reads a folder with autoawq's or auto-gptq's own code."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.recipe import Format

READER = "tests.support.archived.readers_worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCall:
    """A folder for the package whose layout it is in; weights go to `output`, a safetensors file."""

    folder: Path
    format: Format
    group_size: int
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How many layers were expanded."""

    count: int
