"""Whether stored tensors are those that config.json describes, as far as names and shapes tell.

Classes call alike things differently (`model.layers.N`, `transformer.h.N`, `backbone.layers.N`), so a check
holds on to kinds of names and is not made where there is none: what transformers itself misses or finds
misshapen is refused when it looks at the headers.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from quantgate.pipelines.checkpoints.architectures import REVIEWED_ARCHITECTURES
from quantgate.pipelines.checkpoints.config import ModelShape, disagreement
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.formats.configuration.language_config import language_config
from quantgate.pipelines.formats.safetensors import StoredTensor

_NO_LOW_BITS = ("F64", "F32", "F16", "BF16", "I64", "BOOL")
"""Full precision, and tables of numbers that no layout packs weights into."""
_EMBEDDING = re.compile(
    r"(.+\.)?(embed_tokens|tok_embeddings|word_embeddings|wte|embed_in)\.weight|(\w+\.)?embeddings\.weight"
)
_HEAD = re.compile(r"(.+\.)?(lm_head|embed_out|output_layer)\.weight|output\.weight")
_NUMBERED = re.compile(r"(?P<stack>(?:\w*[A-Za-z_]\w*\.)+)(?P<number>\d+)\.")
_STACKS = ("layers.", "h.", "blocks.", "layer.", "block.")
_OTHER_WIDTHS = ("word_embed_proj_dim", "embedding_size", "embedding_dim", "d_embed")
"""Widths of embeddings that are not those of the layers."""


def check_weights(
    shape: ModelShape, tensors: Sequence[StoredTensor], beside: Sequence[str], folder: Path
) -> None:
    """Compare names, types and shapes of the stored tensors with the configuration.

    `beside` names the modules that are not the language model's.

    Raises:
        CheckpointError: naming the first tensor that does not agree.
    """
    outside = tuple(f"{module}." for module in beside)
    language = {t.name: t for t in tensors if not t.name.startswith(outside)}
    if shape.quantization is None:
        _refuse_low_bits(tensors, folder)
    _check_vocabulary_matrices(shape, language, folder)
    _check_layers(shape, language, folder)


def _refuse_low_bits(tensors: Iterable[StoredTensor], folder: Path) -> None:
    for tensor in tensors:
        if len(tensor.shape) == 2 and tensor.dtype not in _NO_LOW_BITS:
            raise CheckpointError(
                f"is already quantized and does not say how: {tensor.name} is stored as {tensor.dtype}",
                where=str(folder),
                next_step="name the full-precision checkpoint it was made from",
            )


def _check_vocabulary_matrices(
    shape: ModelShape, tensors: Mapping[str, StoredTensor], folder: Path
) -> None:
    """Check embeddings and output head: rows of the vocabulary, columns of the layers' width."""
    outside_layers = [name for name in tensors if not _NUMBERED.match(name)]
    embeddings = [name for name in outside_layers if _EMBEDDING.fullmatch(name)]
    if not embeddings and shape.architecture in REVIEWED_ARCHITECTURES:
        raise disagreement(folder, "model.embed_tokens.weight is missing")
    if shape.vocabulary_size is None or shape.hidden_size is None:
        return
    config = language_config(folder)
    width = None if any(config.get(key) for key in _OTHER_WIDTHS) else shape.hidden_size
    heads = [name for name in outside_layers if _HEAD.fullmatch(name)]
    for name in (*embeddings, *heads):
        rows, columns = (*tensors[name].shape, 0, 0)[:2]
        if rows != shape.vocabulary_size or columns != (width or columns):
            raise disagreement(
                folder,
                f"{name} is {_times(tensors[name].shape)}, config.json says "
                f"{_times((shape.vocabulary_size, width or columns))}",
            )


def _check_layers(shape: ModelShape, tensors: Iterable[str], folder: Path) -> None:
    """Check that the longest stack has no gap, and as many layers as are said where that was reviewed.

    Some classes use a layer several times and count each time (HRM).
    """
    stacks: dict[str, set[int]] = defaultdict(set)
    for name in tensors:
        numbered = _NUMBERED.match(name)
        if numbered and numbered["stack"].endswith(_STACKS):
            stacks[numbered["stack"]].add(int(numbered["number"]))
    layers: set[int] = max(stacks.values(), key=len, default=set())
    if shape.architecture in REVIEWED_ARCHITECTURES and shape.layer_count is not None:
        most = shape.layer_count + shape.layers_beside
        agrees = set(range(shape.layer_count)) <= layers <= set(range(most))
    else:
        agrees = layers == set(range(len(layers)))
    if not agrees:
        said = shape.layer_count or max(layers) + 1
        raise disagreement(
            folder, f"weights of {len(layers)} layers are there, config.json says {said}"
        )


def _times(shape: Sequence[int]) -> str:
    return " x ".join(str(size) for size in shape)
