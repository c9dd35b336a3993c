"""Variants: recipe x base x corpus x toolchain, the unit of work."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import CheckpointDigests
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.values import Digest, digest_of

MIXED_TYPE = "mix"
"""Stands for the type of a tensor that a measured mix has yet to choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolVersion:
    """One tool that influences the bytes, with its exact version."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """Everything besides base, recipe and corpus that may influence a variant's bytes."""

    tools: tuple[ToolVersion, ...]
    device: str
    threads: int

    @property
    def digest(self) -> Digest:
        """Identity of the toolchain."""
        return digest_of(
            {
                "tools": [[tool.name, tool.version] for tool in self.tools],
                "device": self.device,
                "threads": self.threads,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedTensor:
    """One tensor of a built variant: its on-disk type (`Q4_K`, `int4`, `F16` …) and true storage cost.

    `bits_per_weight` counts scales and zero points; `quantized` says whether it is below 16 bits.
    """

    name: str
    type: str
    parameter_count: int
    bits_per_weight: float
    quantized: bool


def bits_of_quantized(tensors: Iterable[QuantizedTensor]) -> float:
    """Return the mean storage cost of the quantized tensors in bits a weight; 16 where none is."""
    return _mean_bits([tensor for tensor in tensors if tensor.quantized])


def bits_of_all(tensors: Iterable[QuantizedTensor]) -> float:
    """Return the mean storage cost of all tensors in bits a weight, as llama.cpp counts a file's `BPW`.

    Between formats only this can be compared: some quantize embeddings and output head, some do not.
    """
    return _mean_bits([*tensors])


def _mean_bits(tensors: Sequence[QuantizedTensor]) -> float:
    weights = sum(tensor.parameter_count for tensor in tensors)
    if not weights:
        return _FULL_PRECISION_BITS
    return sum(each.bits_per_weight * each.parameter_count for each in tensors) / weights


_FULL_PRECISION_BITS = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedSize:
    """What a variant will take, from the checkpoint's shapes and the recipe alone.

    Bits are those of `BuildFacts`, `size_bytes` those of all tensors together.
    """

    bits_per_weight: float
    file_bits_per_weight: float
    size_bytes: int

    @classmethod
    def of(cls, tensors: Sequence[QuantizedTensor]) -> "ExpectedSize":
        """Add up what every tensor takes."""
        bits = sum(tensor.bits_per_weight * tensor.parameter_count for tensor in tensors)
        return cls(
            bits_per_weight=bits_of_quantized(tensors),
            file_bits_per_weight=bits_of_all(tensors),
            size_bytes=round(bits / 8),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertTokens:
    """One expert of a mixture in calibration: tokens that the router chose it for, and tokens it was fed.

    Tools may feed every expert all tokens, so that none is calibrated on nothing.
    """

    name: str
    routed: int
    fed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFacts:
    """What a backend reports of what it wrote, taken by reading the files back.

    `promised` names the tensors the recipe says are quantized (base names); `calibration_tokens` and
    `calibration_sequences` count what the tool really consumed, not what it was offered.
    `warnings` are the tool's own, verbatim. `uncovered` names tensors that the calibration was to weigh
    and never reached. `experts` are those of a mixture that was calibrated, where the tool can be asked.
    """

    tensors: tuple[QuantizedTensor, ...]
    promised: tuple[str, ...]
    calibration_sequences: int
    calibration_tokens: int
    nonfinite_tensors: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float
    peak_memory_bytes: int
    uncovered: tuple[str, ...] = ()
    experts: tuple[ExpertTokens, ...] = ()

    @property
    def unchosen(self) -> tuple[str, ...]:
        """Experts that the router chose for no token of the calibration, by name."""
        return tuple(expert.name for expert in self.experts if not expert.routed)

    @property
    def missed(self) -> tuple[str, ...]:
        """Promised tensors that are not quantized, by name."""
        quantized = {tensor.name for tensor in self.tensors if tensor.quantized}
        return tuple(name for name in self.promised if name not in quantized)

    @property
    def bits_per_weight(self) -> float:
        """Mean storage cost over the quantized tensors; 16 where nothing is quantized."""
        return bits_of_quantized(self.tensors)

    @property
    def file_bits_per_weight(self) -> float:
        """Mean storage cost over all tensors, those left in full precision included."""
        return bits_of_all(self.tensors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A built and sealed variant. `key` is its content identity; `artifact` the file or folder to load."""

    identifier: str
    key: Digest
    recipe: Recipe
    base: CheckpointDigests
    corpus_label: str | None
    corpus_digest: Digest | None
    toolchain: Toolchain
    facts: BuildFacts
    folder: Path
    artifact: Path
    files_digest: Digest
    manifest_digest: Digest
    size_bytes: int


def variant_key(
    *,
    base: CheckpointDigests,
    recipe_digest: Digest,
    corpus_digest: Digest | None,
    toolchain: Toolchain,
) -> Digest:
    """Return a variant's identity. What is not in here must not influence its bytes."""
    return digest_of(
        {
            "base": base.combined,
            "recipe": recipe_digest,
            "corpus": corpus_digest,
            "toolchain": toolchain.digest,
        }
    )
