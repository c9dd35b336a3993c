"""What the llama.cpp backend asks its workers and what they reply."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.recipe import TensorTypeRule
from quantgate.pipelines.domain.variant import QuantizedTensor
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.engines.backend import CalibrationTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertCall:
    """Convert a checkpoint folder to one F16 GGUF with the converter that came with llama.cpp."""

    converter: Path
    checkpoint: Path
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertFacts:
    """How a checkpoint was converted.

    `pre_tokenizer` is llama.cpp's name for how text is cut before merging ("" where the vocabulary has
    none); `pre_tokenizer_source` says who recognised it: `upstream` by token ids, or our own `table`.
    """

    pre_tokenizer: str
    pre_tokenizer_source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImatrixCall:
    """Compute an importance matrix of `model` over a corpus and write it to `output`."""

    model: Path
    calibration: CalibrationTokens
    output: Path
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImatrixFacts:
    """What was really used. `entries` counts weights with data; `starved` names those with a part unseen."""

    sequences: int
    tokens: int
    entries: int
    starved: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeCall:
    """Quantize the F16 GGUF `source` into the file `output`.

    `tensor_types` override the file type by name, first match first; each has to match something.
    """

    source: Path
    output: Path
    file_type: str
    imatrix: Path | None
    threads: int
    tensor_types: tuple[TensorTypeRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeFacts:
    """What stands in the file that was written, read back from it.

    `uncovered` names tensors that an importance matrix was to weigh and that it has no entry for.
    """

    tensors: tuple[QuantizedTensor, ...]
    promised: tuple[str, ...]
    nonfinite_tensors: tuple[str, ...]
    uncovered: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorGroup:
    """Tensors that get one type together, e.g. all of `attn_q` in layers 0 to 3.

    `types` are those that it may get; each in some candidate file.
    """

    name: str
    tensors: tuple[str, ...]
    parameter_count: int
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFile:
    """The base quantized to one type wherever that type is possible."""

    type: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityCall:
    """Measure what each type does to each group.

    `base` is the F16 GGUF; `max_tokens` positions of the corpus are looked at (every one but a sequence's
    last).
    """

    base: Path
    candidates: tuple[CandidateFile, ...]
    groups: tuple[TensorGroup, ...]
    calibration: CalibrationTokens
    max_tokens: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """Divergence from the base when one group alone has one type and all others are F16."""

    group: str
    type: str
    bits: int
    divergence: Divergence


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivities:
    """Every type of every group."""

    groups: tuple[TensorGroup, ...]
    measured: tuple[Sensitivity, ...]
