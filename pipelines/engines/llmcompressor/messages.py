"""What the llm-compressor backend and its worker say to each other."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.recipe import CompressedTensorsOptions
from quantgate.pipelines.domain.variant import QuantizedTensor


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressCall:
    """One checkpoint folder to compress into `output` (exists, empty).

    `calibration` is JSONL of `{"id": str, "token_ids": [int, ...]}`, None for data-free recipes.
    """

    base: Path
    output: Path
    options: CompressedTensorsOptions
    calibration: Path | None
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressFacts:
    """What was written, read back from the files, and what calibration really consumed."""

    tensors: tuple[QuantizedTensor, ...]
    promised: tuple[str, ...]
    calibration_sequences: int
    calibration_tokens: int
    nonfinite_tensors: tuple[str, ...]
    warnings: tuple[str, ...]
