"""Tensors read from where their header says that they are, held to the library that wrote them."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.transformers.workers.stored import read_tensor
from quantgate.pipelines.formats.safetensors import StoredTensor, read_tensors

pytestmark = pytest.mark.integration

TYPES = (
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn,
    torch.float8_e5m2, torch.float8_e8m0fnu, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint64, torch.uint32, torch.uint16, torch.uint8, torch.bool, torch.complex64,
)  # fmt: skip


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.reshape(-1).view(torch.uint8)


def test_every_type_comes_back_as_it_was_written(tmp_path: Path) -> None:
    random = torch.Generator().manual_seed(0)
    values = torch.rand(3, 5, generator=random) * 50 + 0.5
    written = {str(dtype): values.to(dtype) for dtype in TYPES} | {"none": torch.empty(0, 4)}
    save_file(written, tmp_path / "model.safetensors")
    for stored in read_tensors(tmp_path):
        tensor, original = read_tensor(stored), written[stored.name]
        assert (tensor.dtype, tensor.shape) == (original.dtype, original.shape)
        assert torch.equal(_bytes(tensor), _bytes(original)), stored.name


def test_a_type_that_torch_has_not_is_refused_by_name(tmp_path: Path) -> None:
    stored = StoredTensor(
        name="w", dtype="F6_E2M3", shape=(4,), file=tmp_path / "a", start=0, size_bytes=3
    )
    with pytest.raises(CheckpointError, match="stores w as F6_E2M3"):
        read_tensor(stored)
