"""How a checkpoint itself is to be computed: the widest type and longest passages that memory allows."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from quantgate.pipelines.audit.reach import passages, reach
from quantgate.pipelines.domain.architectures import TRANSFORMERS
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.verdicts.base_divergence import ComputeDtype
from quantgate.pipelines.engines.divergence.base_messages import Passage
from quantgate.pipelines.engines.memory import MemoryNeed, computing_memory
from quantgate.pipelines.formats.configuration.language_config import count_of, with_common_names
from quantgate.pipelines.formats.tokenizers.folder import read_json_object, special_token_ids
from quantgate.pipelines.process.memory import total_bytes

_BYTES_A_SCORE = 12
"""What plain attention holds for each head and pair of positions: scores, their softmax and a copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputingPlan:
    """How a checkpoint is to be computed; `reason` says why not, where its memory is not there."""

    compute_dtype: ComputeDtype
    passages: tuple[Passage, ...]
    unreached: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBounds:
    """What one process may take, and whether weights may be read from the disk each time they are used."""

    size_bytes: int
    offload: bool = False

    def left_by(self, need: MemoryNeed) -> int:
        """Return what a step leaves, below 0 where it does not fit."""
        return self.size_bytes - (need.held_bytes if self.offload else need.size_bytes)


UNBOUND = MemoryBounds(size_bytes=sys.maxsize)


def whole_machine() -> MemoryBounds:
    """Return all the memory there is; where the system tells nothing, anything is tried."""
    return replace(UNBOUND, size_bytes=total_bytes() or sys.maxsize)


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """The widest type in which a checkpoint can be computed here, and what that takes."""

    dtype: ComputeDtype
    need: MemoryNeed


def computing_plan(
    checkpoint: Checkpoint, config: JsonObject, memory: MemoryBounds
) -> ComputingPlan:
    """Plan how a checkpoint is computed; `config` is its configuration, defaults included."""
    computed = computable(checkpoint, memory)
    if computed is None:
        return ComputingPlan(
            compute_dtype="bfloat16",
            passages=(),
            unreached=(),
            reason=_why_not(checkpoint, memory.size_bytes),
        )
    left = memory.left_by(computed.need)
    heads = count_of(with_common_names(config), "num_attention_heads") or 1
    room_tokens = int((left / (_BYTES_A_SCORE * heads)) ** 0.5)
    goal = reach(config, context_tokens=checkpoint.context_length_tokens, room_tokens=room_tokens)
    return ComputingPlan(
        compute_dtype=computed.dtype,
        passages=passages(
            goal.longest_tokens,
            ordinary_ids=_ordinary_ids(checkpoint),
            beginning=special_token_ids(checkpoint.folder).beginning[:1],
        ),
        unreached=tuple(str(reason) for reason in goal.unreached),
    )


def computable(checkpoint: Checkpoint, memory: MemoryBounds) -> Computed | None:
    """Return how a checkpoint can be computed; None where it does not fit, is low-bit already, or
    transformers has no class for it.
    """
    types: Sequence[ComputeDtype] = ("float32", "bfloat16")
    if checkpoint.quantization is not None or checkpoint.refused_by(TRANSFORMERS):
        return None
    needs = (Computed(dtype=dtype, need=computing_memory(checkpoint, dtype)) for dtype in types)
    return next((each for each in needs if memory.left_by(each.need) >= 0), None)


def _why_not(checkpoint: Checkpoint, memory: int) -> str:
    """Return why nothing is measured; two runs of one NVFP4 folder are 0.04 nats a token apart (measured)."""
    if checkpoint.quantization is not None:
        return (
            f"not measured: the checkpoint is low-bit already ({checkpoint.quantization}), and each engine "
            "rounds activations in its own way"
        )
    if why := checkpoint.refused_by(TRANSFORMERS):
        return f"not measured: {why}"
    needed = computing_memory(checkpoint, "bfloat16").size_bytes / 1e9
    return (
        f"not measured: the checkpoint itself takes {needed:.1f} GB of memory in bfloat16, and this "
        f"machine has {memory / 1e9:.1f}"
    )


def _ordinary_ids(checkpoint: Checkpoint) -> tuple[int, ...]:
    """Return the ids of the vocabulary itself, special and added tokens left out."""
    tokenizer = read_json_object(checkpoint.folder / "tokenizer.json")
    model = tokenizer.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    size = len(vocabulary) if isinstance(vocabulary, dict | list) else 1
    listed = vocabulary.values() if isinstance(vocabulary, dict) else range(size)
    added = tokenizer.get("added_tokens")
    tokens = added if isinstance(added, list) else []
    beside = {token.get("id") for token in tokens if isinstance(token, dict)}
    ids = sorted(token_id for token_id in listed if isinstance(token_id, int))
    return tuple(token_id for token_id in ids if token_id not in beside) or tuple(ids)
