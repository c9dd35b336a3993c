"""What the archived packages' workers read and write themselves, without the packages."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from quantgate.pipelines.domain.errors import CheckpointError, WorkerError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.engines.archived.config import older_config
from quantgate.pipelines.engines.archived.workers.checkpoint import (
    calibration_rows,
    older_checkpoint,
    require_loaded,
    save,
)
from quantgate.pipelines.engines.backend import CalibrationTokens
from quantgate.pipelines.formats.safetensors import read_tensors
from tests.support.models.checkpoints import write_checkpoint

pytestmark = pytest.mark.integration

UP, NORM = "model.layers.0.mlp.up_proj", "model.norm.weight"
Tensors = dict[str, torch.Tensor]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "base")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


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


def test_scales_are_halves_and_the_rest_has_the_type_of_the_base(base: Path, output: Path) -> None:
    save(_model(_packed()), base, output, {"quant_method": "awq"})
    written = {tensor.name: tensor.dtype for tensor in read_tensors(output)}
    assert written == {f"{UP}.qweight": "I32", f"{UP}.scales": "F16", NORM: "F16"}


def test_the_configuration_says_how_it_is_quantized_and_nothing_else_is_new(
    base: Path, output: Path
) -> None:
    save(_model(_packed()), base, output, {"quant_method": "awq"})
    written = json.loads((output / "config.json").read_text())
    assert written.pop("quantization_config") == {"quant_method": "awq"}
    assert written == json.loads((base / "config.json").read_text())


def test_what_is_written_may_be_read_by_others(base: Path, output: Path) -> None:
    save(_model(_packed()), base, output, {})
    assert (output / "model.safetensors").stat().st_mode & 0o044 == 0o044


def test_biases_of_zeros_that_a_package_adds_are_left_out(base: Path, output: Path) -> None:
    save(_model(_packed() | {f"{UP}.bias": torch.zeros(256)}), base, output, {})
    assert f"{UP}.bias" not in {tensor.name for tensor in read_tensors(output)}


@pytest.mark.parametrize("name", [f"{UP}.bias", "model.layers.0.mlp.act.scales", "stray"])
def test_a_tensor_that_changes_the_function_and_no_reader_expects_stops_the_work(
    base: Path, output: Path, name: str
) -> None:
    with pytest.raises(WorkerError, match=name):
        save(_model(_packed() | {name: torch.ones(256)}), base, output, {})


def test_a_model_with_a_tensor_that_the_base_lacks_is_refused(base: Path) -> None:
    require_loaded(_model({NORM: torch.ones(128), "lm_head.weight": torch.ones(1)}), base)
    with pytest.raises(CheckpointError, match="rotary"):
        require_loaded(_model({"model.rotary.weight": torch.ones(1)}), base)


def test_long_sequences_are_cut_and_empty_ones_left_out(tmp_path: Path) -> None:
    rows = [{"id": "a", "token_ids": [1, 2, 3, 4]}, {"id": "b", "token_ids": []}]
    file = tmp_path / "tokens.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = CalibrationTokens(
        file=file,
        corpus_label="c@1",
        corpus_digest=Digest("0" * 64),
        sequence_count=2,
        token_count=4,
        max_length_tokens=3,
    )
    assert calibration_rows(corpus) == [[1, 2, 3]]


def test_the_base_is_read_by_link_with_the_translated_configuration(base: Path) -> None:
    with older_checkpoint(base) as folder:
        assert json.loads((folder / "config.json").read_text()) == older_config(base)
        assert (folder / "model.safetensors").samefile(base / "model.safetensors")
    assert not folder.exists()
