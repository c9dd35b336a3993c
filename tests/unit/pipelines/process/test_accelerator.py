"""Accelerators are told from what the driver publishes, without importing torch."""

from pathlib import Path

from quantgate.pipelines.process.accelerator import accelerator_name, torch_version


def test_no_driver_means_no_accelerator(tmp_path: Path) -> None:
    assert accelerator_name(devices=tmp_path / "absent") is None


def test_a_torch_without_cuda_uses_no_accelerator_and_another_names_it(tmp_path: Path) -> None:
    (tmp_path / "0000:01:00.0").mkdir()
    information = "Model: \t\t NVIDIA H200\nIRQ: 12\n"
    (tmp_path / "0000:01:00.0" / "information").write_text(information)
    expected = None if torch_version().endswith("+cpu") else "NVIDIA H200"
    assert accelerator_name(devices=tmp_path) == expected
