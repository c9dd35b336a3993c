"""How a checkpoint itself is to be computed: the widest type and longest passages that memory allows."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from quantgate.pipelines.audit.reach import passages, reach
from quantgate.pipelines.domain.architectures import TRANSFORMERS
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.verdicts.base_divergence import ComputeDtype
from quantgate.pipelines.engines.divergence.base_messages import Passage
from quantgate.pipelines.formats.configuration.language_config import count_of, with_common_names
from quantgate.pipelines.formats.tokenizer_folder import read_json_object, special_token_ids
from quantgate.pipelines.process.memory import total_bytes

_LIBRARIES_BYTES = 1_500_000_000
_BYTES_A_WEIGHT: dict[ComputeDtype, float] = {"float32": 4.3, "bfloat16": 2.2}
_BYTES_A_SCORE = 12
"""What plain attention holds for each head and pair of positions: scores, their softmax and a copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputingPlan:
    """How a checkpoint is to be computed; `reason` says why not, where its memory is not there."""

    compute_dtype: ComputeDtype
    passages: tuple[Passage, ...]
    unreached: tuple[str, ...]
    reason: str = ""


def computing_plan(checkpoint: Checkpoint, config: JsonObject) -> ComputingPlan:
    """Plan how a checkpoint is computed; `config` is its configuration, defaults included."""
    memory = total_bytes() or sys.maxsize  # where the system tells nothing, it is tried
    compute_dtype = _compute_dtype(checkpoint, memory)
    if compute_dtype is None:
        return ComputingPlan(
            compute_dtype="bfloat16",
            passages=(),
            unreached=(),
            reason=_why_not(checkpoint, memory),
        )
    left = memory - _needed(checkpoint, compute_dtype)
    heads = count_of(with_common_names(config), "num_attention_heads") or 1
    room_tokens = int((left / (_BYTES_A_SCORE * heads)) ** 0.5)
    goal = reach(config, context_tokens=checkpoint.context_length_tokens, room_tokens=room_tokens)
    return ComputingPlan(
        compute_dtype=compute_dtype,
        passages=passages(
            goal.longest_tokens,
            ordinary_ids=_ordinary_ids(checkpoint),
            beginning=special_token_ids(checkpoint.folder).beginning[:1],
        ),
        unreached=tuple(str(reason) for reason in goal.unreached),
    )


def _compute_dtype(checkpoint: Checkpoint, memory: int) -> ComputeDtype | None:
    """Return the widest type in which it fits into memory; None where it does not, is low-bit already, or
    transformers has no class for it.
    """
    types: Sequence[ComputeDtype] = ("float32", "bfloat16")
    if checkpoint.quantization is not None or checkpoint.refused_by(TRANSFORMERS):
        return None
    return next((dtype for dtype in types if _needed(checkpoint, dtype) <= memory), None)


def _why_not(checkpoint: Checkpoint, memory: int) -> str:
    """Return why nothing is measured; two runs of one NVFP4 folder are 0.04 nats a token apart (measured)."""
    if checkpoint.quantization is not None:
        return (
            f"not measured: the checkpoint is low-bit already ({checkpoint.quantization}), and each engine "
            "rounds activations in its own way"
        )
    if why := checkpoint.refused_by(TRANSFORMERS):
        return f"not measured: {why}"
    needed = _needed(checkpoint, "bfloat16") / 1e9
    return (
        f"not measured: the checkpoint itself takes {needed:.1f} GB of memory in bfloat16, and this "
        f"machine has {memory / 1e9:.1f}"
    )


def _needed(checkpoint: Checkpoint, compute_dtype: ComputeDtype) -> int:
    return int(_BYTES_A_WEIGHT[compute_dtype] * checkpoint.parameter_count) + _LIBRARIES_BYTES


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
