"""bfloat16 on processors that have no instructions for it.

There torch multiplies bfloat16 matrices one number at a time, four to seven times more slowly than float32
ones (AVX2, torch 2.13: 8 against 67 billion operations a second). A product of bfloat16 numbers is exact in
float32 and is summed up there either way, so multiplying in float32 and rounding the result gives the same
but for the order of the sum: of random products 9,999 in 10,000 have the very same bits.
"""

import torch
from torch.overrides import has_torch_function

_MOST_WIDENED_BYTES = 4_000_000
"""How much of a weight is held in float32 at a time: what caches hold."""
_FEWEST_ROWS = 6
"""Below this, widening the weight costs more than multiplying slowly."""
_linear = torch.nn.functional.linear


def multiply_bfloat16_in_float32() -> None:
    """Have layers multiply in float32 from here on, in this process, where the processor lacks bfloat16."""
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return
    torch.nn.functional.linear = widened_linear


def widened_linear(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return `input` (... x inputs) times `weight` (outputs x inputs) transposed, plus `bias` (outputs).

    bfloat16 on the CPU is multiplied in float32 and rounded once; all else is torch's own.
    """
    is_slow = _is_plain(input) and _is_plain(weight) and weight.dim() == 2
    if not is_slow or input.numel() < _FEWEST_ROWS * weight.shape[1]:
        return _linear(input, weight, bias)
    wide = input.reshape(-1, input.shape[-1]).float()
    product = input.new_empty(wide.shape[0], weight.shape[0])
    rows = max(1, _MOST_WIDENED_BYTES // (4 * max(1, weight.shape[1])))
    for begin in range(0, weight.shape[0], rows):
        part = slice(begin, begin + rows)
        added = None if bias is None else bias[part].float()
        product[:, part] = _linear(wide, weight[part].float(), added)
    return product.reshape(*input.shape[:-1], weight.shape[0])


def _is_plain(tensor: torch.Tensor) -> bool:
    """Whether it is bfloat16 on the CPU, nothing that traces or derives stands in for it."""
    return (
        tensor.dtype is torch.bfloat16
        and tensor.device.type == "cpu"
        and not has_torch_function((tensor,))
        and not (torch.is_grad_enabled() and tensor.requires_grad)
    )
