"""Accelerators are told from what the driver publishes, without importing torch."""

from pathlib import Path

from quantgate.pipelines.process.accelerator import (
    accelerator_name,
    accelerators_here,
    torch_version,
)


def test_no_driver_means_no_accelerator(tmp_path: Path) -> None:
    assert accelerator_name(devices=tmp_path / "absent") is None


def test_a_torch_without_cuda_uses_no_accelerator_and_another_names_it(tmp_path: Path) -> None:
    (tmp_path / "0000:01:00.0").mkdir()
    information = "Model: \t\t NVIDIA H200\nIRQ: 12\n"
    (tmp_path / "0000:01:00.0" / "information").write_text(information)
    expected = None if torch_version().endswith("+cpu") else "NVIDIA H200"
    assert accelerator_name(devices=tmp_path) == expected


def test_accelerators_are_those_of_the_setting_else_visible_ones_else_counted(
    tmp_path: Path,
) -> None:
    for bus in ("01", "02"):
        (tmp_path / f"0000:{bus}:00.0").mkdir()
        (tmp_path / f"0000:{bus}:00.0" / "information").write_text("Model: NVIDIA H200\n")
    assert accelerators_here({}, tmp_path) == ("0", "1")
    assert accelerators_here({"CUDA_VISIBLE_DEVICES": "2, 3,2"}, tmp_path) == ("2", "3")
    both = {"CUDA_VISIBLE_DEVICES": "2,3", "QUANTGATE_ACCELERATORS": "GPU-a/1"}
    assert accelerators_here(both, tmp_path) == ("GPU-a/1",)
    assert accelerators_here({}, tmp_path / "none") == ("0",)


def test_an_accelerator_that_is_hidden_is_none(tmp_path: Path) -> None:
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0" / "information").write_text("Model: NVIDIA H200\n")
    for hidden in ("", "-1"):
        assert accelerator_name(tmp_path, {"CUDA_VISIBLE_DEVICES": hidden}) is None
