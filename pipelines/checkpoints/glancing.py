"""A checkpoint by its headers alone: what shapes tell, in milliseconds, without a look at any weight."""

from collections import Counter
from pathlib import Path

from quantgate.pipelines.checkpoints.architectures import REVIEWED_ARCHITECTURES
from quantgate.pipelines.checkpoints.config import read_model_shape
from quantgate.pipelines.checkpoints.language_tensors import parts_beside
from quantgate.pipelines.checkpoints.names import folder_name
from quantgate.pipelines.checkpoints.numerics import parameter_count
from quantgate.pipelines.domain.checkpoint import Checkpoint, CheckpointDigests, TensorFacts
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.formats.safetensors import read_tensors

_UNREAD = CheckpointDigests(
    weights=digest_of(None),
    tokenizer=digest_of(None),
    chat_template=digest_of(None),
    config=digest_of(None),
)


def glance(folder: Path) -> Checkpoint:
    """Return a checkpoint folder's checkpoint, whose digests are of nothing: none may be built of it.

    Raises:
        CheckpointError: where config.json or the headers of its weights are missing or damaged.
    """
    shape = read_model_shape(folder)
    tensors = read_tensors(folder)
    if not tensors:
        raise CheckpointError(
            "holds no safetensors weights",
            where=str(folder),
            next_step="name the folder of a checkpoint, with config.json and model.safetensors",
        )
    dtypes: Counter[str] = Counter()
    for tensor in tensors:
        dtypes[tensor.dtype] += tensor.parameter_count
    return Checkpoint(
        name=folder_name(folder),
        source=str(folder),
        folder=folder,
        digests=_UNREAD,
        architecture=shape.architecture,
        dtype=dtypes.most_common(1)[0][0],
        parameter_count=parameter_count(tensors, shape.quantization),
        size_bytes=sum(tensor.size_bytes for tensor in tensors),
        context_length_tokens=shape.context_length_tokens,
        tensors=tuple(
            TensorFacts(name=tensor.name, shape=tensor.shape, dtype=tensor.dtype)
            for tensor in tensors
        ),
        quantization=shape.quantization,
        reviewed=shape.architecture in REVIEWED_ARCHITECTURES,
        parts_beside=parts_beside(t.name for t in tensors) if shape.composite else (),
        notes=shape.notes,
    )
