"""What a loaded model really multiplies, and what numbers it was rounded to: told from the values alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

GROUP = 32
"""Numbers in a row that share a scale in every scheme (NVFP4's 16 twice)."""
_TORCHS_OWN = torch._C._nn.linear
"""Workers multiply in float32 where the processor lacks bfloat16, which a watch would not see."""
E2M1_MAGNITUDES = 8
E4M3_MANTISSAS = torch.arange(8, 16) / 8
"""One to two, in eighths."""


@dataclass
class Multiplied:
    """Inputs of linear layers but the output head, and keys and values as attention gets them."""

    activations: list[torch.Tensor] = field(default_factory=list)
    cached: list[torch.Tensor] = field(default_factory=list)


@torch.inference_mode()
def what_is_multiplied(model: PreTrainedModel, ids: torch.Tensor) -> Multiplied:
    """Return what one pass over 1 x tokens ids multiplies."""
    seen = Multiplied()
    current, torch.nn.functional.linear = torch.nn.functional.linear, _TORCHS_OWN
    try:
        with _Watch(seen, model.get_output_embeddings().weight):
            model(input_ids=ids)
    finally:
        torch.nn.functional.linear = current
    return seen


class _Watch(TorchFunctionMode):
    def __init__(self, seen: Multiplied, head: torch.Tensor) -> None:
        self._seen, self._head = seen, head

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        if func is torch.nn.functional.linear and args[1] is not self._head:
            self._seen.activations.append(args[0].float())
        if func is torch.nn.functional.scaled_dot_product_attention:
            self._seen.cached += [args[1].float(), args[2].float()]
        return func(*args, **(kwargs or {}))


def rounded_values(tensors: Sequence[torch.Tensor]) -> str:
    """Return `A4f`, `A8f` or `A8` where all values are on such a grid, else `A16`."""
    assert tensors
    if all(_is_e2m1(tensor) for tensor in tensors):
        return "A4f"
    if all(_is_e4m3(tensor) for tensor in tensors):
        return "A8f"
    if all(_is_int8_by_token(tensor) for tensor in tensors):
        return "A8"
    return "A16"


def _is_e2m1(values: torch.Tensor) -> bool:
    """Every 16 numbers have at most the eight magnitudes there are."""
    ordered = values.reshape(-1, GROUP // 2).abs().sort(dim=1).values
    distinct = 1 + (ordered.diff(dim=1) > 0).sum(dim=1)
    return bool((distinct <= E2M1_MAGNITUDES).all())


def _is_e4m3(values: torch.Tensor) -> bool:
    """In every group, for some scale, all mantissas are whole eighths.

    Two bfloat16 roundings, of a number and of the largest, move sixteen mantissas by up to an eighth.
    """
    groups = values.reshape(-1, GROUP).abs()
    largest = groups.amax(dim=1).clamp(min=1e-30)
    scales = largest[:, None] / E4M3_MANTISSAS  # groups x candidates
    scaled = groups[:, None, :] / scales[:, :, None]
    mantissas = 16 * torch.frexp(scaled).mantissa
    off = (mantissas - mantissas.round()).abs()
    return bool((off <= 0.13).all(dim=2).any(dim=1).all())


def _is_int8_by_token(values: torch.Tensor) -> bool:
    """For every token there is a step of which all its numbers are whole multiples, 128 at most.

    Looked for where bfloat16's rounding may have put the largest; each number was rounded to that as well.
    """
    tokens = values.reshape(-1, values.shape[-1]).abs()
    around = 1 + torch.linspace(-(2**-7), 2**-7, 129)
    candidates = torch.cat([around / 127, around / 128])
    largest = tokens.amax(dim=1).clamp(min=1e-30)
    return all(
        _whole_multiples(token, most * candidates)
        for token, most in zip(tokens, largest, strict=True)
    )


def _whole_multiples(token: torch.Tensor, steps: torch.Tensor) -> bool:
    counts = token / steps[:, None]
    off = (counts - counts.round()).abs()
    return bool((off <= counts * 2**-8 + 0.05).all(dim=1).any())
