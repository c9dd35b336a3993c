"""Groups of tensors whose types are measured and assigned together."""

import math
import re
from collections import defaultdict
from collections.abc import Sequence

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.llamacpp.build_messages import TensorGroup
from quantgate.pipelines.engines.llamacpp.types.facts import GgufWeight
from quantgate.pipelines.engines.llamacpp.types.table import TENSOR_TYPES
from quantgate.pipelines.engines.llamacpp.types.tensor_names import NEVER_COVERED
from quantgate.pipelines.formats.safetensors import StoredTensor

MOST_GROUPS = 32
"""Every group is measured with every type, a forward pass each: this bounds how many."""

_IN_LAYER = re.compile(r"blk\.(?P<layer>\d+)\.(?P<kind>.+)\.weight")


def tensor_groups(
    tensors: Sequence[StoredTensor], candidates: Sequence[str], architecture: str = ""
) -> tuple[TensorGroup, ...]:
    """Return the groups of a GGUF: each kind of weight by bands of neighbouring layers, others alone.

    Bands are as narrow as `MOST_GROUPS` allows (a single layer up to 4 layers of 7 kinds, 8 layers in a
    model of 32). A group may get the candidates whose blocks divide all of its rows; those without
    importance (embeddings, output head) none that needs it.

    Raises:
        CheckpointError: where a group may get no candidate.
    """
    weights = [
        tensor
        for tensor in tensors
        if GgufWeight(name=tensor.name, shape=tensor.shape, architecture=architecture).has_a_type
    ]
    places = {tensor.name: _IN_LAYER.fullmatch(tensor.name) for tensor in weights}
    layers = [int(place["layer"]) for place in places.values() if place]
    kinds = {place["kind"] for place in places.values() if place}
    alone = sum(1 for place in places.values() if not place)
    band = _band(max(layers, default=0) + 1, len(kinds), MOST_GROUPS - alone)
    grouped: dict[str, list[StoredTensor]] = defaultdict(list)
    for tensor in weights:
        place = places[tensor.name]
        if place is None:
            grouped[tensor.name.removesuffix(".weight")].append(tensor)
        else:
            grouped[_band_name(place["kind"], int(place["layer"]), band)].append(tensor)
    return tuple(_group(name, members, candidates) for name, members in grouped.items())


def _band(layers: int, kinds: int, most: int) -> int:
    """Return how many layers a band has so that there are at most so many groups."""
    if not kinds:
        return 1
    return math.ceil(layers / max(1, most // kinds))


def _band_name(kind: str, layer: int, band: int) -> str:
    first = layer // band * band
    return f"{kind} {first}" if band == 1 else f"{kind} {first}-{first + band - 1}"


def _group(name: str, members: Sequence[StoredTensor], candidates: Sequence[str]) -> TensorGroup:
    bare = any(member.name in NEVER_COVERED for member in members)
    fitting = tuple(
        kind.name
        for kind in (TENSOR_TYPES[candidate] for candidate in candidates)
        if not (bare and kind.needs_importance)
        and all(member.shape[-1] % kind.block == 0 for member in members)
    )
    if not fitting:
        raise CheckpointError(
            f"none of the mix's candidates ({', '.join(candidates)}) fits {name}",
            next_step="add one to the recipe: Q8_0 fits every row that is a multiple of 32",
        )
    return TensorGroup(
        name=name,
        tensors=tuple(member.name for member in members),
        parameter_count=sum(math.prod(member.shape) for member in members),
        types=fitting,
    )
