"""Recipe files as a person writes them: every key described, every contradiction refused."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from quantgate.pipelines.domain.recipe import (
    AutoAwqOptions,
    AutoGptqOptions,
    BackendOptions,
    BitsPerWeight,
    Calibration,
    CompressedTensorsOptions,
    Format,
    GgufOptions,
    KvCacheType,
    MeasuredMix,
    Numerics,
    Recipe,
    TensorTypeRule,
)
from quantgate.pipelines.domain.registrable import LONGEST_NAME
from quantgate.pipelines.specs.kv_caches import KV_NUMERICS
from quantgate.pipelines.specs.loading import Spec


class _NumericsSpec(Spec):
    """Target numerics, as tables show them: weights/activations/KV cache."""

    weights: str = Field(pattern=r"^W\d+(\.\d+)?f?$")
    """Bits of the quantized weights: W4, or W4f where they are floating point."""
    activations: str = Field(pattern=r"^A\d+f?$")
    """Bits of what is multiplied with them: A16, A8 (llama.cpp quantizes to 8-bit blocks as it goes), A8f."""
    kv_cache: str = Field(pattern=r"^KV\d+f?$")
    """Bits of cached keys and values: KV16, KV8, KV4, KV8f."""


class _BitsSpec(Spec):
    """True bits per quantized weight, scales and zero points included: an inclusive range."""

    low: float = Field(gt=0, le=16)
    """The least that an honest file of this recipe has."""
    high: float = Field(gt=0, le=16)
    """The most; leave room for tensors that the scheme keeps wider."""


class _TensorTypeSpec(Spec):
    """Tensors whose name the pattern matches get this type."""

    pattern: str = Field(min_length=1)
    """Regular expression on GGUF tensor names, e.g. `blk\\.0\\..*`."""
    type: str
    """ggml type, e.g. Q6_K."""


class _MixSpec(Spec):
    """Types assigned to groups of tensors by measured sensitivity, under a size budget."""

    budget_bits_per_weight: float = Field(gt=0, le=16)
    """Most that the quantized weights may cost on average."""
    candidates: tuple[str, ...] = Field(min_length=2)
    """ggml types that a group may get."""


class _GgufSpec(Spec):
    """A GGUF file written by llama.cpp."""

    backend: Literal["llamacpp"]
    file_type: str
    """File type as `llama-quantize` spells it, e.g. Q4_K_M."""
    tensor_types: tuple[_TensorTypeSpec, ...] = ()
    """Overrides by tensor name; the first pattern that matches counts. Not together with mix."""
    mix: _MixSpec | None = None
    """Overrides that are measured. Not together with tensor_types."""
    strict_shapes: bool = False
    """Refuse checkpoints whose rows need other types than the file type's; llama.cpp takes those."""

    @model_validator(mode="after")
    def _mixes_or_names_types(self) -> Self:
        if self.tensor_types and self.mix:
            raise ValueError("tensor_types and mix exclude each other")
        return self

    def options(self) -> GgufOptions:
        """Return the domain object."""
        return GgufOptions(
            file_type=self.file_type,
            tensor_types=tuple(TensorTypeRule(**rule.model_dump()) for rule in self.tensor_types),
            mix=MeasuredMix(**self.mix.model_dump()) if self.mix else None,
            strict_shapes=self.strict_shapes,
        )


class _CompressedTensorsSpec(Spec):
    """A compressed-tensors folder written by llm-compressor."""

    backend: Literal["llmcompressor"]
    scheme: str | None = None
    """Preset scheme of compressed-tensors, e.g. W4A16; none where only the KV cache is quantized."""
    modifier: Literal["QuantizationModifier", "GPTQModifier", "AWQModifier"]
    """How values are chosen: round-to-nearest, GPTQ or AWQ."""
    targets: tuple[str, ...] = ("Linear",)
    """Modules to quantize: a class name, a module name, or a regular expression after `re:`."""
    ignore: tuple[str, ...] = ("lm_head",)
    """Modules to leave as they are, written like targets."""
    group_size: int | None = Field(default=None, gt=0)
    """Weights that share a scale along the input dimension; none takes the scheme's own."""
    actorder: Literal["static", "weight"] | None = None
    """GPTQ: the order in which columns are quantized."""
    dampening_fraction: float | None = Field(default=None, gt=0, lt=1)
    """GPTQ: what is added to the Hessian's diagonal, as a share of its mean."""
    smoothing_strength: float | None = Field(default=None, ge=0, le=1)
    """SmoothQuant before the modifier, with this strength."""
    kv_cache: Literal["fp8"] | None = None
    """Store scales for a quantized KV cache in the checkpoint."""

    @model_validator(mode="after")
    def _quantizes_something(self) -> Self:
        if self.scheme is None and self.kv_cache is None:
            raise ValueError("name a scheme, or a kv_cache, or both")
        return self

    def options(self) -> CompressedTensorsOptions:
        """Return the domain object."""
        return CompressedTensorsOptions(**self.model_dump())


class _AutoAwqSpec(Spec):
    """AWQ's gemm layout written by autoawq, in an environment of its own."""

    backend: Literal["autoawq"]
    group_size: int = Field(default=128, gt=0)
    """Weights that share a scale and a zero point along the input dimension."""

    def options(self) -> AutoAwqOptions:
        """Return the domain object."""
        return AutoAwqOptions(**self.model_dump())


class _AutoGptqSpec(Spec):
    """GPTQ's layout written by auto-gptq, in an environment of its own."""

    backend: Literal["autogptq"]
    group_size: int = Field(default=128, gt=0)
    """Weights that share a scale along the input dimension."""
    dampening_fraction: float = Field(default=0.01, gt=0, lt=1)
    """What is added to the Hessian's diagonal, as a share of its mean."""

    def options(self) -> AutoGptqOptions:
        """Return the domain object."""
        return AutoGptqOptions(**self.model_dump())


_WRITTEN_BY = {
    "llamacpp": (Format.GGUF,),
    "llmcompressor": (Format.COMPRESSED_TENSORS, Format.AWQ, Format.GPTQ),
    "autoawq": (Format.AWQ,),
    "autogptq": (Format.GPTQ,),
}

_OptionsSpec = Annotated[
    _GgufSpec | _CompressedTensorsSpec | _AutoAwqSpec | _AutoGptqSpec,
    Field(discriminator="backend"),
]


class RecipeSpec(Spec):
    """A recipe file: one way to make a checkpoint smaller, and what it promises."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.@]+(--[A-Za-z0-9_.@]+)*$", max_length=LONGEST_NAME)
    """What it is called in build files and tables; a part after `--` tells relatives apart."""
    description: str = Field(min_length=1)
    """One honest sentence."""
    scheme: str = Field(min_length=1)
    """Target numerics by name: W4A16, FP8_DYNAMIC, NVFP4; for GGUF the file type."""
    algorithm: str = Field(min_length=1)
    """How values are chosen: round-to-nearest, GPTQ, AWQ, k-quant + imatrix …"""
    format: Format
    """Bytes on disk."""
    numerics: _NumericsSpec
    runtime: Literal["llamacpp", "transformers"]
    """The engine that its variants are judged in."""
    calibration: Calibration = Calibration.NONE
    """What it takes from the corpus: nothing, an importance matrix, or the sequences themselves."""
    calibration_tokens: int = Field(default=0, ge=0)
    """The most corpus tokens it uses; 0 where calibration is none."""
    bits_per_weight: _BitsSpec | None = None
    """A range to be held besides what shapes and scheme foretell; mostly left out."""
    options: _OptionsSpec
    """The backend that builds it, and what it is told."""
    kv_cache: KvCacheType = "f16"
    """How llama.cpp holds keys and values while it answers; it changes no byte of the file."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        problems = [*self._calibration_problems(), *self._kv_problems()]
        bits = self.bits_per_weight
        if bits is not None and bits.low > bits.high:
            problems.append("bits_per_weight: low is above high")
        if self.format not in _WRITTEN_BY[self.options.backend]:
            problems.append(f"{self.options.backend} does not write format {self.format}")
        if (self.format is Format.GGUF) != (self.runtime == "llamacpp"):
            problems.append(f"format {self.format} does not run in {self.runtime}")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _calibration_problems(self) -> Iterator[str]:
        if self.calibration is not Calibration.NONE and not self.calibration_tokens:
            yield f"calibration is '{self.calibration}' and calibration_tokens is 0"
        if self.calibration is Calibration.NONE and self.calibration_tokens:
            yield f"calibration_tokens is {self.calibration_tokens} and calibration is 'none'"

    def _kv_problems(self) -> Iterator[str]:
        if self.runtime != "llamacpp":
            if self.kv_cache != "f16":
                yield f"kv_cache: {self.runtime} has no KV-cache types"
        elif self.numerics.kv_cache != KV_NUMERICS[self.kv_cache]:
            yield (
                f"numerics.kv_cache is {self.numerics.kv_cache}, and kv_cache {self.kv_cache} "
                f"means {KV_NUMERICS[self.kv_cache]}"
            )

    def recipe(self) -> Recipe:
        """Return the domain object."""
        options: BackendOptions = self.options.options()
        return Recipe(
            name=self.name,
            description=self.description,
            scheme=self.scheme,
            algorithm=self.algorithm,
            format=self.format,
            numerics=Numerics(**self.numerics.model_dump()),
            runtime=self.runtime,
            calibration=self.calibration,
            calibration_tokens=self.calibration_tokens,
            bits_per_weight=BitsPerWeight(**self.bits_per_weight.model_dump())
            if self.bits_per_weight
            else None,
            options=options,
            kv_cache=self.kv_cache,
        )
