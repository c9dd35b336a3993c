"""A checkpoint at rest: weights, configuration and tokenizer, each with its own digest."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.architectures import ToolRefusal
from quantgate.pipelines.domain.recipe import Format, Numerics
from quantgate.pipelines.domain.values import Digest, digest_of

REVIEWED, UNREVIEWED = "reviewed", "unreviewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointDigests:
    """One digest per part, so that a changed chat template is not mistaken for changed weights."""

    weights: Digest
    tokenizer: Digest
    chat_template: Digest
    config: Digest

    @property
    def combined(self) -> Digest:
        """Identity of the whole checkpoint."""
        return digest_of([self.weights, self.tokenizer, self.chat_template, self.config])


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFacts:
    """One weight tensor as its safetensors header describes it; `shape` is rows x columns."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredQuantization:
    """How a natively low-bit checkpoint is stored, and the numerics that it was made for.

    `layout` says in what way weights are packed, e.g. `pack-quantized` or `in groups of 128`.
    `weight_bits` is what a weight of its narrowest layers takes, scales left out.
    """

    format: Format
    layout: str
    numerics: Numerics
    weight_bits: int

    def __str__(self) -> str:
        return f"{self.numerics}, {self.format} {self.layout}"

    @property
    def short(self) -> str:
        """Return what its weights are called where little is said of them, e.g. `FP8 in squares of 128`."""
        if self.format is Format.COMPRESSED_TENSORS:
            return f"{self.numerics.weights}{self.numerics.activations} ({self.layout})"
        return f"{self.format.upper()} {self.layout}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderExpansion:
    """The low-bit folder that a checkpoint's own folder was made of, its weights expanded to bfloat16.

    `digest` is that of the checkpoint before; `stored_as` says how its weights were stored, `reason` why they
    were expanded.
    """

    folder: Path
    digest: Digest
    stored_as: str
    reason: str

    def __str__(self) -> str:
        return f"expanded from {self.stored_as} ({self.reason})"


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufOrigin:
    """The GGUF file that a checkpoint's folder was made of; of several parts the first.

    `sha256` is that of its bytes, for several parts one over all of them; `file_type` is what its weights
    were stored as, by llama.cpp's name (`F16`, `Q4_K_M`). `expansion` is why low-bit weights were expanded,
    "" where they are in full precision.
    """

    file: Path
    sha256: Digest
    file_type: str
    expansion: str = ""

    @property
    def is_expanded(self) -> bool:
        """Whether its weights had lost precision before they came here."""
        return bool(self.expansion)

    def __str__(self) -> str:
        if not self.is_expanded:
            return f"made from a GGUF in {self.file_type}"
        return f"expanded from {self.file_type} ({self.expansion})"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightGrid:
    """What a look at samples of a full-precision checkpoint's weights found: they were quantized before.

    `on_grid` of `matrices` have at most `values` different values in each block of `block` neighbours of a
    row.
    """

    on_grid: int
    matrices: int
    values: int
    block: int

    def __str__(self) -> str:
        return (
            f"quantized already ({self.on_grid} of {self.matrices} matrices have at most {self.values} "
            f"different values in every {self.block} neighbours)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint that was looked into and accepted.

    `source` is what the user wrote (a folder, a GGUF file, or `org/name@<40 hex revision>`); `name` is the
    MLflow model name its variants are registered under. `quantization` is None for full precision.
    `parameter_count` counts weights: packed ones each, their scales not. `reviewed` says whether somebody
    looked at its architecture here; `tool_refusals` are those of tools that have no class for it;
    `parts_beside` are the modules that are not its language model but see or hear beside it
    (`vision_tower`); `notes` are what else is odd and no reason to refuse it, one sentence each. `origin` is
    the GGUF file that the folder was made of, None where it was found as it is; `expansion` the low-bit
    folder, likewise; `grid` is what its weights show of an earlier quantization, None for nothing.
    """

    name: str
    source: str
    folder: Path
    digests: CheckpointDigests
    architecture: str
    dtype: str
    parameter_count: int
    size_bytes: int
    context_length_tokens: int
    tensors: tuple[TensorFacts, ...]
    quantization: StoredQuantization | None = None
    reviewed: bool = True
    tool_refusals: tuple[ToolRefusal, ...] = ()
    parts_beside: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    origin: GgufOrigin | None = None
    expansion: FolderExpansion | None = None
    grid: WeightGrid | None = None

    @property
    def architecture_review(self) -> str:
        """How plans, verdicts and the registry say whether its architecture was reviewed."""
        return REVIEWED if self.reviewed else UNREVIEWED

    @property
    def language_tensors(self) -> tuple[TensorFacts, ...]:
        """Its tensors without those of the parts beside its language model."""
        beside = tuple(f"{part}." for part in self.parts_beside)
        return (
            tuple(t for t in self.tensors if not t.name.startswith(beside))
            if beside
            else self.tensors
        )

    def refused_by(self, tool: str) -> str | None:
        """Return why a tool cannot load it; None where it can, or was not asked."""
        return next((refusal.why for refusal in self.tool_refusals if refusal.tool == tool), None)

    @property
    def losses(self) -> tuple[str, ...]:
        """What is said of the base wherever it is named: its weights had lost precision before."""
        if self.origin is not None and self.origin.is_expanded:
            return (str(self.origin),)
        if self.expansion is not None:
            return (str(self.expansion),)
        return (str(self.grid),) if self.grid is not None else ()

    @property
    def numerics(self) -> Numerics | None:
        """What its own weights, activations and cache are made for; None for full precision."""
        return self.quantization.numerics if self.quantization else None

    @property
    def is_sparse(self) -> bool:
        """Whether it is a mixture of experts: a router sends each token to a few of them."""
        return any(
            ".experts." in tensor.name or ".block_sparse_moe." in tensor.name
            for tensor in self.tensors
        )
