"""Which AWQ and GPTQ layouts a folder's config.json declares, and which are refused by their key."""

import json
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.formats.packed.config import (
    PackedLayout,
    awq_config,
    gptq_config,
    stored_layout,
)


def _declared(folder: Path, config: object) -> PackedLayout | None:
    (folder / "config.json").write_text(json.dumps({"quantization_config": config}))
    return stored_layout(folder)


def test_declarations_that_are_written_are_understood(tmp_path: Path) -> None:
    awq = PackedLayout(format=Format.AWQ, group_size=128)
    gptq = PackedLayout(format=Format.GPTQ, group_size=32, symmetric=True, zero_offset=1)
    assert _declared(tmp_path, awq_config(128, ())) == awq
    assert _declared(tmp_path, gptq_config(32)) == gptq


def test_declarations_of_other_writers_are_understood(tmp_path: Path) -> None:
    loud = awq_config(-1, ()) | {"version": "GEMM"}
    assert _declared(tmp_path, loud) == PackedLayout(format=Format.AWQ, group_size=None)
    ordered = gptq_config(64) | {"desc_act": True, "sym": False}
    del ordered["checkpoint_format"]  # as auto-gptq before 0.7
    assert _declared(tmp_path, ordered) == PackedLayout(
        format=Format.GPTQ, group_size=64, any_order=True, zero_offset=1
    )
    later = gptq_config(64) | {"checkpoint_format": "gptq_v2"}
    found = _declared(tmp_path, later)
    assert found is not None
    assert found.zero_offset == 0


@pytest.mark.parametrize("config", [None, {"quant_method": "compressed-tensors"}])
def test_other_folders_declare_no_packed_layout(tmp_path: Path, config: object) -> None:
    assert _declared(tmp_path, config) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bits", 8),
        ("version", "gemv"),
        ("version", None),
        ("zero_point", False),
        ("group_size", None),
        ("group_size", 0),
        ("group_size", True),
        ("group_size", "128"),
    ],
)
def test_another_awq_is_refused_by_its_key(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=f"quantization_config.{key} is {value!r}"):
        _declared(tmp_path, awq_config(128, ()) | {key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [("bits", 3), ("sym", None), ("desc_act", "no"), ("checkpoint_format", "marlin")],
)
def test_another_gptq_is_refused_by_its_key(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=f"quantization_config.{key} is {value!r}"):
        _declared(tmp_path, gptq_config(128) | {key: value})
