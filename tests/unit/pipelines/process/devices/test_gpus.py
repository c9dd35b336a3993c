"""GPUs are what the driver's own tool tells, without importing torch."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.process.devices.gpus import installed_gpus, visible_gpus
from tests.support.graphics import H200, SECOND_H200, T4, machine_with, program


def test_all_that_is_told_of_a_gpu_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine_with(monkeypatch, tmp_path, [H200, T4])
    assert installed_gpus() == (H200, T4)
    assert H200.kind == "NVIDIA H200, 140 GiB, compute capability 9.0, driver 570.124.06"


def test_without_the_tool_there_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed_gpus() == ()


def test_a_tool_that_fails_where_no_driver_is_loaded_tells_of_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path, "nvidia-smi", "exit 9")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed_gpus(driver=tmp_path / "absent") == ()
    (tmp_path / "version").touch()
    with pytest.raises(ToolchainError, match="nvidia-smi does not tell"):
        installed_gpus(driver=tmp_path / "version")


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (None, (H200, SECOND_H200)),
        ("1", (SECOND_H200,)),
        ("1,0", (SECOND_H200, H200)),
        ("GPU-bbbb", (SECOND_H200,)),
        ("", ()),
        ("-1", ()),
    ],
)
def test_the_variable_of_cuda_leaves_some_in_its_order(
    listed: str | None, expected: tuple[object, ...]
) -> None:
    environment = {} if listed is None else {"CUDA_VISIBLE_DEVICES": listed}
    assert visible_gpus((H200, SECOND_H200), environment) == expected


@pytest.mark.parametrize("listed", ["2", "0,7", "MIG-1234", "GPU-", "first"])
def test_what_there_is_not_is_refused(listed: str) -> None:
    with pytest.raises(InputError, match="none of the 2 GPUs"):
        visible_gpus((H200, SECOND_H200), {"CUDA_VISIBLE_DEVICES": listed})
