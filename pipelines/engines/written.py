"""What stands in an artifact, tensor by tensor, whatever its builder said of it."""

from collections.abc import Iterable
from pathlib import Path

from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.variant import QuantizedTensor
from quantgate.pipelines.formats.packed import compressed, facts
from quantgate.pipelines.formats.safetensors import FLOAT_TYPES, StoredTensor


def written_tensors(
    written_in: Format, base: Iterable[StoredTensor], stored: Iterable[StoredTensor], artifact: Path
) -> tuple[QuantizedTensor, ...]:
    """Return every tensor as the files themselves have it; in folders by the names of the base's tensors.

    Raises:
        CheckpointError: where a folder's config.json is damaged.
    """
    match written_in:
        case Format.GGUF:
            return tuple(_gguf_tensor(tensor) for tensor in stored)
        case Format.COMPRESSED_TENSORS | Format.FP8:
            scheme = compressed.stored_scheme(artifact)
            return compressed.stored_tensors(base, stored, scheme)
        case _:
            return facts.stored_tensors(base, stored)


def _gguf_tensor(tensor: StoredTensor) -> QuantizedTensor:
    count = tensor.parameter_count
    return QuantizedTensor(
        name=tensor.name,
        type=tensor.dtype,
        parameter_count=count,
        bits_per_weight=8 * tensor.size_bytes / count if count else 0.0,
        quantized=tensor.dtype not in FLOAT_TYPES,
    )
