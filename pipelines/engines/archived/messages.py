"""What the backends of the archived packages and their workers say to each other.

The workers run under another interpreter: these modules import nothing but the domain.
"""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.recipe import AutoAwqOptions, AutoGptqOptions
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.variant import QuantizedTensor


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedSource:
    """One checkpoint folder to quantize into `output` (exists, empty).

    `older_config` is its config.json in the words of transformers 4.51. `calibration` is JSONL of
    `{"id": str, "token_ids": [int, ...]}`, cut to `max_length_tokens` ids each.
    """

    base: Path
    older_config: JsonObject
    calibration: Path
    max_length_tokens: int
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoAwqCall:
    """What autoawq is to do."""

    source: ArchivedSource
    options: AutoAwqOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoGptqCall:
    """What auto-gptq is to do."""

    source: ArchivedSource
    options: AutoGptqOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFacts:
    """What was written, read back from the files, and what calibration really consumed."""

    tensors: tuple[QuantizedTensor, ...]
    calibration_sequences: int
    calibration_tokens: int
    nonfinite_tensors: tuple[str, ...]
    warnings: tuple[str, ...]
