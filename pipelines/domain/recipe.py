"""Recipes: what to build. A recipe is reviewed YAML; its fields use compressed-tensors' words."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Format(StrEnum):
    """Bytes on disk."""

    GGUF = "gguf"
    COMPRESSED_TENSORS = "compressed-tensors"


class Calibration(StrEnum):
    """What a recipe takes from the calibration corpus."""

    NONE = "none"
    IMATRIX = "imatrix"
    SAMPLES = "samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Numerics:
    """Target numerics; bit count alone is never shown, always weights/activations/KV."""

    weights: str
    activations: str
    kv_cache: str

    def __str__(self) -> str:
        return f"{self.weights}/{self.activations}/{self.kv_cache}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BitsPerWeight:
    """True bits per quantized weight that the label promises, as an inclusive range."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufOptions:
    """For llama.cpp: the file type as `llama-quantize` spells it, e.g. `Q4_K_M`."""

    backend: Literal["llamacpp"] = "llamacpp"
    file_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedTensorsOptions:
    """For llm-compressor: preset scheme, modifier, which modules it applies to and which it leaves.

    `group_size` is in weights along the input dimension; None where the scheme has no groups.
    """

    backend: Literal["llmcompressor"] = "llmcompressor"
    scheme: str
    modifier: Literal["QuantizationModifier", "GPTQModifier"]
    targets: tuple[str, ...] = ("Linear",)
    ignore: tuple[str, ...] = ("lm_head",)
    group_size: int | None = None
    actorder: Literal["static", "weight"] | None = None
    dampening_fraction: float | None = None


BackendOptions = GgufOptions | CompressedTensorsOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Scheme + algorithm + ignore list + format.

    `name` is unique in the catalogue and stands in unit identifiers (`demo--Q4_K_M--imatrix`).
    `runtime` is the engine its variants are judged in. `calibration_tokens` is how many corpus tokens
    it wants at most (0 where calibration is none).
    """

    name: str
    description: str
    scheme: str
    algorithm: str
    format: Format
    numerics: Numerics
    runtime: Literal["llamacpp", "transformers"]
    calibration: Calibration
    calibration_tokens: int
    bits_per_weight: BitsPerWeight
    options: BackendOptions
