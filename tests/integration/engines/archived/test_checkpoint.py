"""What the archived packages' workers read and write themselves, without the packages."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from quantgate.pipelines.domain.errors import CheckpointError, WorkerError
from quantgate.pipelines.engines.archived.messages import ArchivedSource
from quantgate.pipelines.engines.archived.workers.checkpoint import (
    calibration_rows,
    older_checkpoint,
    require_loaded,
    save,
)
from quantgate.pipelines.formats.safetensors import read_tensors
from tests.support.checkpoints import write_checkpoint

pytestmark = pytest.mark.integration

UP, NORM = "model.layers.0.mlp.up_proj", "model.norm.weight"
Tensors = dict[str, torch.Tensor]


def _source(folder: Path) -> ArchivedSource:
    output = folder / "output"
    output.mkdir()
    return ArchivedSource(
        base=write_checkpoint(folder / "base"),
        older_config={"model_type": "llama"},
        calibration=folder / "tokens.jsonl",
        max_length_tokens=3,
        output=output,
    )


def _model(tensors: Tensors) -> Any:
    """As much of a model as saving looks at: its tensors, and that its head is tied."""
    return SimpleNamespace(
        state_dict=lambda: tensors,
        config=SimpleNamespace(tie_word_embeddings=True),
        _tied_weights_keys=["lm_head.weight"],
    )


def _packed() -> Tensors:
    return {
        f"{UP}.qweight": torch.zeros(128, 32, dtype=torch.int32),
        f"{UP}.scales": torch.ones(1, 256),
        NORM: torch.ones(128),
        "lm_head.weight": torch.ones(257, 128),
    }


def test_scales_are_halves_and_the_rest_has_the_type_of_the_base(tmp_path: Path) -> None:
    source = _source(tmp_path)
    save(_model(_packed()), source, {"quant_method": "awq"})
    written = {tensor.name: tensor.dtype for tensor in read_tensors(source.output)}
    assert written == {f"{UP}.qweight": "I32", f"{UP}.scales": "F16", NORM: "F16"}


def test_the_configuration_says_how_it_is_quantized_and_nothing_else_is_new(tmp_path: Path) -> None:
    source = _source(tmp_path)
    save(_model(_packed()), source, {"quant_method": "awq"})
    written = json.loads((source.output / "config.json").read_text())
    assert written.pop("quantization_config") == {"quant_method": "awq"}
    assert written == json.loads((source.base / "config.json").read_text())


def test_what_is_written_may_be_read_by_others(tmp_path: Path) -> None:
    source = _source(tmp_path)
    save(_model(_packed()), source, {})
    assert (source.output / "model.safetensors").stat().st_mode & 0o044 == 0o044


def test_biases_of_zeros_that_a_package_adds_are_left_out(tmp_path: Path) -> None:
    source = _source(tmp_path)
    save(_model(_packed() | {f"{UP}.bias": torch.zeros(256)}), source, {})
    assert f"{UP}.bias" not in {tensor.name for tensor in read_tensors(source.output)}


@pytest.mark.parametrize("name", [f"{UP}.bias", "model.layers.0.mlp.act.scales", "stray"])
def test_a_tensor_that_changes_the_function_and_no_reader_expects_stops_the_work(
    tmp_path: Path, name: str
) -> None:
    source = _source(tmp_path)
    with pytest.raises(WorkerError, match=name):
        save(_model(_packed() | {name: torch.ones(256)}), source, {})


def test_a_model_with_a_tensor_that_the_base_lacks_is_refused(tmp_path: Path) -> None:
    source = _source(tmp_path)
    require_loaded(_model({NORM: torch.ones(128), "lm_head.weight": torch.ones(1)}), source)
    with pytest.raises(CheckpointError, match="rotary"):
        require_loaded(_model({"model.rotary.weight": torch.ones(1)}), source)


def test_long_sequences_are_cut_and_empty_ones_left_out(tmp_path: Path) -> None:
    source = _source(tmp_path)
    rows = [{"id": "a", "token_ids": [1, 2, 3, 4]}, {"id": "b", "token_ids": []}]
    source.calibration.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert calibration_rows(source) == [[1, 2, 3]]


def test_the_base_is_read_by_link_with_the_translated_configuration(tmp_path: Path) -> None:
    source = _source(tmp_path)
    with older_checkpoint(source) as folder:
        assert json.loads((folder / "config.json").read_text()) == source.older_config
        assert (folder / "model.safetensors").samefile(source.base / "model.safetensors")
    assert not folder.exists()
