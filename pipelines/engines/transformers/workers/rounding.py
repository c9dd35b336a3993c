"""Round-to-nearest on a grid, in torch: values come back as they would be read, in the dtype they had.

Written from the formats' definitions and not from any tool's code: it is what tools are held against.
"""

import torch
from torch import Tensor

from quantgate.pipelines.domain.verdicts.ruler import Grid

# OCP Microscaling Formats (MX) Specification 1.0: largest finite value, and its exponent, of a type.
_LARGEST = {"e2m1": 6.0, "e4m3": 448.0}
_LARGEST_EXPONENT = {"e2m1": 2, "e4m3": 8}
# Section 5.3.3, table 5: the magnitudes of FP4 E2M1.
_E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
_SMALLEST_SCALE = 1e-30


def rounded(values: Tensor, grid: Grid) -> Tensor:
    """Return values (... x rows x columns) rounded to a grid; groups run along the columns."""
    shape, dtype = values.shape, values.dtype
    exact = values.detach().to(torch.float32)
    if grid.shared_by == "tensor":
        return _scaled(exact.reshape(1, -1), grid).reshape(shape).to(dtype)
    if grid.shared_by == "row":
        return _scaled(exact, grid).to(dtype)
    if grid.shared_by == "block":
        return _blocks(exact, grid).to(dtype)
    columns = _padded(exact, grid.size)
    groups = columns.reshape(*shape[:-1], -1, grid.size)
    return _scaled(groups, grid).reshape(columns.shape)[..., : shape[-1]].to(dtype)


def _padded(values: Tensor, size: int) -> Tensor:
    """Fill the last dimension up with zeros, which change no group's scale, to whole groups."""
    return torch.nn.functional.pad(values, (0, -values.shape[-1] % size))


def _blocks(values: Tensor, grid: Grid) -> Tensor:
    """Round squares of rows and columns, each with its own scale."""
    rows, columns = values.shape[-2:]
    filled = torch.nn.functional.pad(values, (0, -columns % grid.size, 0, -rows % grid.size))
    lead, (height, width) = filled.shape[:-2], filled.shape[-2:]
    squares = filled.reshape(*lead, height // grid.size, grid.size, width // grid.size, grid.size)
    squares = squares.transpose(-3, -2)
    flat = _scaled(squares.reshape(*squares.shape[:-2], -1), grid)
    restored = flat.reshape(squares.shape).transpose(-3, -2).reshape(filled.shape)
    return restored[..., :rows, :columns]


def _scaled(values: Tensor, grid: Grid) -> Tensor:
    """Round values that share a scale along the last dimension."""
    if grid.values == "integer" and grid.zero_point:
        return _with_zero_point(values, grid.bits)
    if grid.values == "integer":
        return _symmetric(values, grid.bits)
    if grid.values == "ternary":
        return _ternary(values)
    return _float(values, grid)


def _symmetric(values: Tensor, bits: int) -> Tensor:
    """The largest magnitude lies half a step beyond the largest code (compressed-tensors' convention)."""
    largest = values.abs().amax(dim=-1, keepdim=True)
    scale = (2 * largest / (2**bits - 1)).clamp(min=_SMALLEST_SCALE)
    codes: Tensor = (values / scale).round().clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return torch.mul(codes, scale)


def _with_zero_point(values: Tensor, bits: int) -> Tensor:
    """Codes span smallest to largest, zero included, so that zero stays zero."""
    low = values.amin(dim=-1, keepdim=True).clamp(max=0)
    high = values.amax(dim=-1, keepdim=True).clamp(min=0)
    scale = ((high - low) / (2**bits - 1)).clamp(min=_SMALLEST_SCALE)
    zero = (-low / scale).round()
    codes: Tensor = ((values / scale).round() + zero).clamp(0, 2**bits - 1)
    return torch.mul(codes - zero, scale)


def _ternary(values: Tensor) -> Tensor:
    """Scale by the mean magnitude, round, cut to -1, 0, 1 (BitNet b1.58, arXiv 2402.17764, section 2)."""
    scale = values.abs().mean(dim=-1, keepdim=True).clamp(min=_SMALLEST_SCALE)
    return (values / scale).round().clamp(-1, 1) * scale


def _float(values: Tensor, grid: Grid) -> Tensor:
    scale = _float_scale(values, grid).clamp(min=_SMALLEST_SCALE)
    largest = _LARGEST[grid.values]
    unscaled = (values / scale).clamp(-largest, largest)
    return (_e2m1(unscaled) if grid.values == "e2m1" else _e4m3(unscaled)) * scale


def _float_scale(values: Tensor, grid: Grid) -> Tensor:
    largest = values.abs().amax(dim=-1, keepdim=True)
    if grid.scale == "e8m0":
        # MX Specification 1.0, section 6.3: a power of two from the largest magnitude's exponent.
        exponent = torch.log2(largest.clamp(min=_SMALLEST_SCALE)).floor()
        return torch.exp2(exponent - _LARGEST_EXPONENT[grid.values])
    if grid.scale == "e4m3":
        # NVFP4: block scales in E4M3 under one scale a tensor that lets the largest of them be 448.
        whole = values.abs().max().clamp(min=_SMALLEST_SCALE)
        tensor_scale = whole / (_LARGEST["e4m3"] * _LARGEST[grid.values])
        return _e4m3(largest / _LARGEST[grid.values] / tensor_scale) * tensor_scale
    return largest / _LARGEST[grid.values]


def _e4m3(values: Tensor) -> Tensor:
    return values.to(torch.float8_e4m3fn).to(torch.float32)


def _e2m1(values: Tensor) -> Tensor:
    magnitudes = torch.tensor(_E2M1, device=values.device)
    middles = (magnitudes[1:] + magnitudes[:-1]) / 2
    return magnitudes[torch.bucketize(values.abs(), middles)] * values.sign()
