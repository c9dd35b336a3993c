"""Children see the GPUs that their unit holds, and compute on these or not at all."""

import json
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.process.devices import engines
from quantgate.pipelines.process.devices.placed import placed_gpus, require_gpus
from quantgate.pipelines.process.devices.placement import device_environment, placed_on
from quantgate.pipelines.process.runner import worker_environment
from tests.support.graphics import H200, SECOND_H200, machine_with


def test_a_machine_without_gpus_changes_nothing_for_its_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine_with(monkeypatch, tmp_path, [])
    with placed_on(()):
        assert device_environment() == {}


def test_children_see_what_their_unit_holds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine_with(monkeypatch, tmp_path, [H200, SECOND_H200])
    monkeypatch.setenv("QUANTGATE_DEVICE", "cuda:0+cuda:1")
    assert device_environment()["CUDA_VISIBLE_DEVICES"] == f"{H200.uuid},{SECOND_H200.uuid}"
    with placed_on([SECOND_H200.uuid]):
        seen = worker_environment(1)
        assert (seen["CUDA_VISIBLE_DEVICES"], seen["QUANTGATE_PLACED_GPUS"]) == (
            SECOND_H200.uuid,
            "1",
        )
        with placed_on(()):
            assert device_environment() == {
                "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
                "CUDA_VISIBLE_DEVICES": "",
                "QUANTGATE_PLACED_GPUS": "0",
            }


def test_cpu_hides_gpus_from_every_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine_with(monkeypatch, tmp_path, [H200])
    monkeypatch.setenv("QUANTGATE_DEVICE", "cpu")
    assert device_environment()["CUDA_VISIBLE_DEVICES"] == ""


def test_a_worker_refuses_to_compute_elsewhere_than_it_was_placed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert placed_gpus() == 0
    require_gpus("torch", 0)
    monkeypatch.setenv("QUANTGATE_PLACED_GPUS", "2")
    require_gpus("torch", 2)
    with pytest.raises(ToolchainError, match="torch sees 1 GPUs, and 2 are to be used"):
        require_gpus("torch", 1)


def test_an_engine_without_cuda_stays_on_the_cpu_and_is_refused_where_a_gpu_is_demanded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine_with(monkeypatch, tmp_path, [H200])
    monkeypatch.setattr(engines, "torch_version", lambda: "2.13.0+cpu")
    assert (engines.torch_device(), engines.torch_lacks()) == ("cpu", None)
    monkeypatch.setenv("QUANTGATE_DEVICE", "cuda:0")
    assert "make setup CUDA=1" in str(engines.torch_lacks())
    monkeypatch.setattr(engines, "torch_version", lambda: "2.13.0+cu128")
    assert (engines.torch_device(), engines.torch_lacks()) == (H200.kind, None)
    assert engines.computes_on_gpus()


def test_llamacpp_says_with_what_its_kernels_were_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine_with(monkeypatch, tmp_path, [H200])
    monkeypatch.setattr(engines, "llamacpp_libraries", lambda: tmp_path)
    assert (engines.llamacpp_device(), engines.llamacpp_kernels()) == ("cpu", "")
    monkeypatch.setenv("QUANTGATE_DEVICE", "cuda:0")
    assert "make setup CUDA=1" in str(engines.llamacpp_lacks())
    (tmp_path / "libggml-cuda.so").touch()
    assert (engines.llamacpp_device(), engines.llamacpp_lacks()) == (H200.kind, None)
    assert engines.llamacpp_kernels() == "CUDA, built elsewhere"
    (tmp_path / engines.CUDA_BUILD_FILE).write_text(
        json.dumps({"nvcc": "12.8", "architecture": "90"})
    )
    assert engines.llamacpp_kernels() == "CUDA 12.8, sm_90"
