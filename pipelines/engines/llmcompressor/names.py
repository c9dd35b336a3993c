"""How recipes and llm-compressor's tables name layers.

Matching follows compressed-tensors' `match_named_modules`: a target is a class name, an exact module name,
or a regular expression after `re:` that matches from the start of a module's name.
"""

import re

from quantgate.pipelines.formats.experts import as_llmcompressor_names

_WEIGHT = ".weight"
_LINEAR = "Linear"
_HEAD = "lm_head"
"""Stands outside of all modules once it is loaded, wherever it is stored."""
_STORED_HEADS = ("head", "embed_out")
"""What DeepSeek-V4 and GPT-NeoX store the head as; transformers calls it as all others do."""
_NOT_LINEAR = ("wte", "wpe")
"""Embeddings of GPT-2 and its kin."""


def matches_layer(layer: str, target: str) -> bool:
    """Whether a target matches a layer, as the checkpoint or as llm-compressor calls it."""
    called = as_llmcompressor_names(f"{layer}{_WEIGHT}").removesuffix(_WEIGHT)
    return any(_matches(name, target) for name in dict.fromkeys((layer, called)))


def _matches(name: str, target: str) -> bool:
    if target.startswith("re:"):
        return re.match(target.removeprefix("re:"), name) is not None
    last = name.rsplit(".", 1)[-1]
    if target == _LINEAR:
        return "embed" not in last and not last.endswith("norm") and last not in _NOT_LINEAR
    return name == target or is_head(name, target)


def is_head(layer: str, target: str) -> bool:
    """Whether a target is the output head, and a layer is that of the whole model or of one inside it."""
    return target == _HEAD and (layer in _STORED_HEADS or layer.rsplit(".", 1)[-1] == _HEAD)
