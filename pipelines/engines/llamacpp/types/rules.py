"""Which type llama.cpp gives each tensor of a GGUF, by its own rules, from names and shapes alone.

Source: `llama_tensor_get_type_impl`, `tensor_type_fallback` and `init_quantize_state_counters` in
src/llama-quant.cpp of the llama.cpp inside the pinned llama-cpp-python. (What it asks of BailingMoE3 by name
concerns MXFP4_MOE alone, which no recipe here is.) Numbers of layers count the tensors of one kind in
llama.cpp's order, which is by layer and then by name. Tests hold every file type against llama.cpp's own dry
run, and which architectures it asks for by name against its source.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from quantgate.pipelines.domain.recipe import TensorTypeRule
from quantgate.pipelines.engines.llamacpp.types.facts import GgufModel, GgufWeight
from quantgate.pipelines.engines.llamacpp.types.table import FILE_TYPES, TENSOR_TYPES
from quantgate.pipelines.engines.llamacpp.types.tensor_names import FALCON, GLM5_NEXT

UNQUANTIZED = "F16"
_LAYER = re.compile(r"blk\.(\d+)\.")
_EMBEDDINGS = ("token_embd.weight", "per_layer_token_embd.weight")
_HEAD = "output.weight"
_KINDS = (
    ("attn_qkv.weight", "qkv"), ("attn_kv_b.weight", "kv_b"), ("attn_v.weight", "v"),
    ("attn_k.weight", "k"), ("attn_q.weight", "q"), ("attn_output.weight", "attention output"),
    ("ffn_up", "up"), ("ffn_gate", "gate"), ("ffn_down", "down"),
)  # fmt: skip
"""What a name contains, and what kind of weight that is; the first that fits counts."""
_VALUES = frozenset({"v", "qkv", "kv_b"})
_EIGHT_EXPERTS = 8
_TINY = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"})
_TINY_OF_THREE = frozenset({"IQ2_S", "IQ2_M"})
_HEAD_AT_FIVE = _TINY | {"IQ3_XXS"}
_EMBEDDING_TYPES = {
    "IQ1_S": "Q2_K", "IQ1_M": "Q2_K", "IQ2_XXS": "Q2_K", "IQ2_XS": "Q2_K",
    "IQ2_S": "IQ3_S", "IQ2_M": "IQ3_S", "IQ3_XXS": "IQ3_S", "TQ1_0": "Q4_K", "TQ2_0": "Q4_K",
}  # fmt: skip
_OUTPUT_TYPES = {
    "Q2_K": "Q3_K", "IQ3_XXS": "IQ3_S", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K", "IQ3_M": "Q4_K",
}  # fmt: skip
_OUTPUT_AT_FIVE = frozenset(
    {
        *("Q2_K", "IQ3_XS", "IQ3_XXS", "Q3_K_S", "Q3_K_M", "IQ4_NL"),
        *("Q4_K_S", "Q4_K_M", "IQ3_S", "IQ3_M", "IQ4_XS"),
    }
)
"""File types whose attention outputs get Q5_K in a mixture of eight experts."""
_FALCON_DOWN = {
    "Q3_K_M": ("Q5_K", "Q4_K", "Q3_K"),
    "Q3_K_L": ("Q4_K", "Q4_K", "Q4_K"),
    "Q4_K_M": ("Q6_K", "Q5_K", "Q4_K"),
    "Q4_K_S": ("Q4_K", "Q4_K", "Q4_K"),
}
"""Falcon's down projections: in the first sixteenth of layers, where others get more bits, elsewhere."""
_AT_EIGHT = {GLM5_NEXT: re.compile(r"attn_q_a|attn_q_b|nextn\.eh_proj")}
"""What gets Q8_0 in every file type, by architecture."""
_FALLBACKS = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"),
    **dict.fromkeys(("Q2_K", "Q3_K", "TQ1_0", "TQ2_0"), "Q4_0"),
    "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0",
}  # fmt: skip


def target_types(
    weights: Iterable[GgufWeight],
    model: GgufModel,
    file_type: str,
    *,
    rules: tuple[TensorTypeRule, ...] = (),
    has_imatrix: bool = False,
) -> dict[str, str]:
    """Return the type of every tensor that is quantized in some file type; F16 where no block fits."""
    weights = tuple(weights)
    chosen = chosen_types(weights, model, file_type, rules=rules, has_imatrix=has_imatrix)
    return {
        weight.name: fitting_type(chosen[weight.name], weight.shape[-1])
        for weight in weights
        if weight.name in chosen
    }


def chosen_types(
    weights: Iterable[GgufWeight],
    model: GgufModel,
    file_type: str,
    *,
    rules: tuple[TensorTypeRule, ...] = (),
    has_imatrix: bool = False,
) -> dict[str, str]:
    """Return the type that every quantized tensor is meant to have, before its rows are looked at.

    The output head is the exception: llama.cpp looks at its rows when it chooses.
    """
    ordered = sorted(weights, key=lambda weight: (_layer_of(weight.name), weight.name))
    chooser = _TypeChooser(
        model=model,
        file_type=file_type,
        tied=all(weight.name != _HEAD for weight in ordered),
        values=sum(_kind(weight.name) in _VALUES for weight in ordered),
        has_imatrix=has_imatrix,
    )
    types = {}
    for weight in ordered:
        if weight.is_quantized:
            matching = (rule.type.upper() for rule in rules if re.search(rule.pattern, weight.name))
            types[weight.name] = next(matching, None) or chooser.choose(weight)
    return types


@dataclass(slots=True, kw_only=True)
class _TypeChooser:
    """llama.cpp's state while it goes through the tensors: how many of each kind it has seen."""

    model: GgufModel
    file_type: str
    tied: bool
    values: int
    has_imatrix: bool
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def default(self) -> str:
        return FILE_TYPES[self.file_type].tensor_type.name

    @property
    def is_falcon(self) -> bool:
        return self.model.architecture == FALCON

    def choose(self, weight: GgufWeight) -> str:
        at_eight = _AT_EIGHT.get(self.model.architecture)
        if at_eight and at_eight.search(weight.name):
            return "Q8_0"
        kind = _kind(weight.name)
        if kind == "head" or (kind == "embedding" and self.tied):
            return self._head(weight)
        if kind == "embedding":
            return _EMBEDDING_TYPES.get(self.file_type, self.default)
        if self.file_type in _TINY:
            return self._tiny(kind)
        if kind in _VALUES:
            return self._values()
        if kind == "down":
            return self._down(weight)
        if kind in ("up", "gate"):
            return self._up_or_gate(kind, weight)
        return self._attention(kind)

    def _head(self, weight: GgufWeight) -> str:
        if self.is_falcon or weight.shape[-1] % FILE_TYPES[self.file_type].block:
            return "Q8_0"
        if self.file_type in _HEAD_AT_FIVE:
            return "Q5_K"
        return "Q8_0" if self.default == "Q8_0" else "Q6_K"

    def _tiny(self, kind: str) -> str:
        """Types of one to two and a half bits: what breaks first gets three or four."""
        wider = "IQ3_S" if self.file_type in _TINY_OF_THREE else "Q2_K"
        if kind in _VALUES:
            return "Q4_K" if self.model.many_queries or self.model.experts >= 4 else wider
        if kind == "k" and self.model.experts == _EIGHT_EXPERTS:
            return "Q4_K"
        if kind == "down":
            return wider if self._count("down") < self.model.layers // 8 else self.default
        if kind == "attention output":
            if self.model.experts == _EIGHT_EXPERTS:
                return "Q5_K"
            if self.file_type in ("IQ1_S", "IQ1_M"):
                return "IQ2_XXS"
            return "IQ3_S" if self.file_type in _TINY_OF_THREE else self.default
        return self.default

    def _values(self) -> str:
        kind = self._value_type(self._count("values"))
        if self.model.is_70b and kind in ("Q3_K", "Q4_K"):
            kind = "Q5_K"
        return "Q8_0" if self.model.experts == _EIGHT_EXPERTS else kind

    def _value_type(self, number: int) -> str:
        many, file_type = self.model.many_queries, self.file_type
        match file_type:
            case "Q2_K":
                return "Q4_K" if many else "Q3_K"
            case "IQ3_XXS":
                return "Q4_K" if many else "IQ3_XXS" if self.has_imatrix else "IQ3_S"
            case "Q2_K_S" | "IQ3_XS" | "IQ3_S" if many:
                return "Q4_K"
            case "IQ3_M":
                return "Q4_K"
            case "Q3_K_M":
                return "Q5_K" if number < 2 else "Q4_K"
            case "Q3_K_L":
                return "Q5_K"
            case "IQ4_NL" | "IQ4_XS" if many:
                return "Q5_K"
            case "Q4_K_M" | "Q5_K_M" if _more_bits(number, self.values):
                return "Q6_K"
            case "Q4_K_S" if number < 4:
                return "Q5_K"
        return self.default

    def _down(self, weight: GgufWeight) -> str:
        number, layers = self._layer("down", weight), self.model.layers
        early, more = number < layers // 8, _more_bits(number, layers)
        if self.is_falcon and self.file_type in _FALCON_DOWN:
            first, middle, last = _FALCON_DOWN[self.file_type]
            return first if number < layers // 16 else middle if more else last
        match self.file_type:
            case "Q2_K":
                return "Q3_K"
            case "Q2_K_S" if early:
                return "Q4_K"
            case "IQ3_XXS" if not self.has_imatrix:
                return "Q4_K" if early else "Q3_K"
            case "Q3_K_M":
                return "Q5_K" if number < layers // 16 else "Q4_K"
            case "IQ3_M" if early or (self.model.experts == _EIGHT_EXPERTS and more):
                return "Q4_K"
            case "Q3_K_L":
                return "Q5_K"
            case "Q4_K_M" | "Q5_K_M" if more:
                return "Q6_K"
            case "IQ4_NL" | "IQ4_XS" if early and not self.has_imatrix:
                return "Q5_K"
            case "Q4_K_S" if early:
                return "Q5_K"
            case "Q4_0" | "Q5_0" if early and self.has_imatrix:
                return "Q4_1" if self.file_type == "Q4_0" else "Q5_1"
        return self.default

    def _up_or_gate(self, kind: str, weight: GgufWeight) -> str:
        number, layers = self._layer(kind, weight), self.model.layers
        inner = layers // 8 <= number < 7 * layers // 8
        return "IQ3_XXS" if self.file_type == "IQ3_XS" and inner else self.default

    def _attention(self, kind: str) -> str:
        eight = self.model.experts == _EIGHT_EXPERTS
        if kind == "k" and eight:
            return "Q8_0"
        if kind in ("q", "k"):
            return {"IQ3_XS": "IQ3_XXS", "IQ3_XXS": "IQ2_S"}.get(self.file_type, self.default)
        if kind == "attention output":
            if self.is_falcon:
                return "Q4_K" if self.file_type == "Q3_K_L" else self.default
            if eight:
                return "Q5_K" if self.file_type in _OUTPUT_AT_FIVE else self.default
            return _OUTPUT_TYPES.get(self.file_type, self.default)
        return self.default

    def _layer(self, kind: str, weight: GgufWeight) -> int:
        """Return a feed-forward weight's number: counted, or its layer where there are experts."""
        number = self._count(kind)
        return _layer_of(weight.name) if self.model.experts > 1 else number

    def _count(self, kind: str) -> int:
        """Return how many of a kind came before, and count this one."""
        self.seen[kind] += 1
        return self.seen[kind] - 1


def _more_bits(number: int, count: int) -> bool:
    """Say which layers get a wider type: the first and last eighth, and every third between."""
    first, last = count // 8, 7 * count // 8
    return number < first or number >= last or (number - first) % 3 == 2


def fitting_type(kind: str, row: int) -> str:
    """Return a type, or what llama.cpp takes instead where a row of weights is no multiple of its block."""
    if row % TENSOR_TYPES[kind].block == 0:
        return kind
    other = _FALLBACKS.get(kind, kind)
    return other if row % TENSOR_TYPES[other].block == 0 else UNQUANTIZED


def _kind(name: str) -> str:
    if name == _HEAD:
        return "head"
    if name in _EMBEDDINGS:
        return "embedding"
    return next((kind for part, kind in _KINDS if part in name), "other")


def _layer_of(name: str) -> int:
    numbered = _LAYER.match(name)
    return int(numbered[1]) if numbered else -1
