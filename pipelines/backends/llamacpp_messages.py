"""What the llama.cpp backend asks its workers and what they reply."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.domain.variant import QuantizedTensor


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
    """Compute an importance matrix of `model` over JSONL token ids and write it to `output`.

    `dataset` is what the file names as its source.
    """

    model: Path
    tokens: Path
    output: Path
    dataset: str
    max_length_tokens: int
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
    """Quantize the F16 GGUF `source` into the file `output`."""

    source: Path
    output: Path
    file_type: str
    imatrix: Path | None
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeFacts:
    """What stands in the file that was written, read back from it."""

    tensors: tuple[QuantizedTensor, ...]
    promised: tuple[str, ...]
    nonfinite_tensors: tuple[str, ...]
    warnings: tuple[str, ...]
