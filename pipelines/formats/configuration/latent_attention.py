"""Multi-head latent attention (DeepSeek): what keeps the latent of a token, and what the keys made of it.

transformers 5.17 is asked: classes whose `forward` gives the cache what `expand_kv` made keep keys and
values of every head (those whose indexer chooses tokens: DeepSeek V3.2, GLM 5), all others the latent.
llama.cpp keeps the latent of what its converter writes `key_length_mla` for.
"""

import ast
from collections.abc import Iterator
from functools import cache

from quantgate.pipelines.domain.architectures import LLAMA_CPP
from quantgate.pipelines.formats.configuration.transformers_source import modeling_files

_EXPANDED_IN_LLAMA_CPP = frozenset({"minicpm3", "plm"})
"""Types with a latent for which the converter of 0.3.36 (`conversion/minicpm.py`, `plm.py`) writes none."""
_EXPANDING, _CACHE, _KEEPING = "expand_kv", "past_key_values", "update"


def keeps_expanded(model_type: str, tool: str) -> bool:
    """Return whether a tool keeps keys and values of every head where a model's attention has a latent.

    Raises:
        ToolchainError: where transformers' source is not as it was.
    """
    if tool == LLAMA_CPP:
        return model_type in _EXPANDED_IN_LLAMA_CPP
    return _expanded_in_transformers(model_type)


@cache
def _expanded_in_transformers(model_type: str) -> bool:
    return any(
        _expands_before_keeping(node)
        for file in modeling_files(model_type)
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.FunctionDef)
    )


def _expands_before_keeping(function: ast.FunctionDef) -> bool:
    """Whether a function hands the cache a name that an earlier line bound to expanded keys and values."""
    expanded: dict[str, int] = {}
    kept: dict[str, int] = {}
    for node in ast.walk(function):
        match node:
            case ast.Assign(value=ast.Call(func=ast.Attribute(attr=called)), targets=[target]):
                if called == _EXPANDING:
                    expanded |= dict.fromkeys(_names(target), node.lineno)
            case ast.Call(
                func=ast.Attribute(attr=called, value=ast.Name(id=owner)),
                args=[ast.Name(id=name), *_],
            ):
                if (owner, called) == (_CACHE, _KEEPING):
                    kept[name] = node.lineno
    return any(expanded.get(name, line) < line for name, line in kept.items())


def _names(target: ast.expr) -> Iterator[str]:
    return (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
