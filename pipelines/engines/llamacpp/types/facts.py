"""What llama.cpp's rules ask of a model and of each of its tensors."""

from dataclasses import dataclass
from math import prod

from quantgate.pipelines.engines.llamacpp.types.tensor_names import is_quantized

_LEAST_BLOCK = 32
# `LLM_TYPE_70B` in src/models/*.cpp, and which layers make a model that.
_SEVENTY_BILLION = {"llama": 80, "qwen2": 80, "olmo": 80, "deci": 80, "jais2": 68}
_SEVENTY_BILLION_IF_GROUPED = "llama"
_MANY_QUERIES = 4
"""Query heads for one head of keys and values from which values are worth more bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufWeight:
    """One tensor by its GGUF name; `shape` is outermost first, its last dimension a row's length.

    `architecture` is its model's, as llama.cpp calls it, "" where nothing hangs on it.
    """

    name: str
    shape: tuple[int, ...]
    architecture: str = ""

    @property
    def parameter_count(self) -> int:
        """How many weights it has."""
        return prod(self.shape)

    @property
    def is_quantized(self) -> bool:
        """Whether llama.cpp quantizes it; a matrix of one row is a vector to it (`ggml_n_dims`)."""
        outer = next((at for at, size in enumerate(self.shape) if size > 1), len(self.shape))
        return is_quantized(self.name, len(self.shape) - outer, self.architecture)

    @property
    def has_a_type(self) -> bool:
        """Whether any type's blocks divide its rows as well: else it stays in F16, whatever is asked for."""
        return self.is_quantized and self.shape[-1] % _LEAST_BLOCK == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufModel:
    """What the rules ask of a model: how many layers, heads and experts it has (0: none).

    `architecture` is llama.cpp's name of it, "" where no rule asks for it.
    """

    layers: int
    heads: int
    kv_heads: int
    experts: int = 0
    architecture: str = ""

    @property
    def is_70b(self) -> bool:
        """Whether llama.cpp takes it for a model of seventy billion weights, whose values get more bits."""
        grouped = self.heads != self.kv_heads or self.architecture != _SEVENTY_BILLION_IF_GROUPED
        return grouped and self.layers == _SEVENTY_BILLION.get(self.architecture)

    @property
    def many_queries(self) -> bool:
        """Whether a head of keys and values serves four heads of queries or more."""
        return bool(self.kv_heads) and self.heads // self.kv_heads >= _MANY_QUERIES
