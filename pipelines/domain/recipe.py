"""Recipes: what to build. A recipe is reviewed YAML; its fields use compressed-tensors' words."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from quantgate.pipelines.domain.foreign import ForeignOptions


class Format(StrEnum):
    """Bytes on disk."""

    GGUF = "gguf"
    COMPRESSED_TENSORS = "compressed-tensors"
    AWQ = "awq"
    GPTQ = "gptq"
    FP8 = "fp8"
    MXFP4 = "mxfp4"


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
    """True bits per quantized weight that a recipe's author promises, as an inclusive range."""

    low: float
    high: float


KvCacheType = Literal["f16", "q8_0", "q4_0"]
"""How llama.cpp holds keys and values while it answers; `f16` is its full precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorTypeRule:
    """Tensors whose GGUF name a regular expression matches get this ggml type, e.g. `Q6_K`."""

    pattern: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredMix:
    """Types assigned to tensor groups by measured sensitivity, under a size budget.

    The mean storage cost of the quantized weights is at most `budget_bits_per_weight`;
    `candidates` are ggml types, any of which a group may get.
    """

    budget_bits_per_weight: float
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufOptions:
    """For llama.cpp: the file type as `llama-quantize` spells it, e.g. `Q4_K_M`.

    `tensor_types` override it by name, first match first; `mix` has the overrides measured. A recipe
    has at most one of the two. `strict_shapes`: a checkpoint whose rows the blocks of the file type do not
    divide is refused, where llama.cpp would take other types for them.
    """

    backend: Literal["llamacpp"] = "llamacpp"
    file_type: str
    tensor_types: tuple[TensorTypeRule, ...] = ()
    mix: MeasuredMix | None = None
    strict_shapes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedTensorsOptions:
    """For llm-compressor: preset scheme, modifier, which modules it applies to and which it leaves.

    `group_size` is in weights along the input dimension; None where the scheme has no groups.
    `scheme` is None where only the KV cache is quantized. `smoothing_strength` (0 to 1) puts
    SmoothQuant before the modifier; `kv_cache` stores scales for a quantized KV cache in the checkpoint.
    """

    backend: Literal["llmcompressor"] = "llmcompressor"
    scheme: str | None
    modifier: Literal["QuantizationModifier", "GPTQModifier", "AWQModifier"]
    targets: tuple[str, ...] = ("Linear",)
    ignore: tuple[str, ...] = ("lm_head",)
    group_size: int | None = None
    actorder: Literal["static", "weight"] | None = None
    dampening_fraction: float | None = None
    smoothing_strength: float | None = None
    kv_cache: Literal["fp8"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoAwqOptions:
    """For autoawq (archived): 4-bit groups of `group_size` with zero points, in AWQ's gemm layout."""

    backend: Literal["autoawq"] = "autoawq"
    group_size: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoGptqOptions:
    """For auto-gptq (archived): 4-bit symmetric groups of `group_size`, in GPTQ's layout."""

    backend: Literal["autogptq"] = "autogptq"
    group_size: int = 128
    dampening_fraction: float = 0.01


BackendOptions = (
    GgufOptions | CompressedTensorsOptions | AutoAwqOptions | AutoGptqOptions | ForeignOptions
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Scheme + algorithm + ignore list + format.

    `name` is unique in the catalogue and stands in unit identifiers (`demo--Q4_K_M--imatrix`).
    `runtime` is the engine its variants are judged in: `llamacpp`, `transformers`, or the name of one of
    the build's servers. `calibration_tokens` is how many corpus tokens
    it wants at most (0 where calibration is none). `kv_cache` is how the runtime holds keys and values;
    it changes no byte of the variant. `bits_per_weight` is a range that its author promises besides what
    shapes and scheme foretell; None promises nothing more.
    """

    name: str
    description: str
    scheme: str
    algorithm: str
    format: Format
    numerics: Numerics
    runtime: str
    calibration: Calibration
    calibration_tokens: int
    options: BackendOptions
    kv_cache: KvCacheType = "f16"
    bits_per_weight: BitsPerWeight | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether it stands for files that somebody else made, of which nothing is built here."""
        return isinstance(self.options, ForeignOptions)

    @property
    def placeless(self) -> "Recipe":
        """Itself without where files of others were found: what digests of it are made of."""
        if not isinstance(self.options, ForeignOptions):
            return self
        return replace(self, options=self.options.placeless)

    @property
    def nominal_bits(self) -> float:
        """Bits of a quantized weight as tables name them: 4 of W4, scales left out."""
        return float(self.numerics.weights.strip("Wf"))
