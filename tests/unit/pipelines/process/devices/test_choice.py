"""QUANTGATE_DEVICE says on what units compute; what there is not is refused in one line."""

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.process.devices.choice import DeviceChoice
from quantgate.pipelines.process.devices.gpus import Gpu
from tests.support.graphics import H200, SECOND_H200, T4

BOTH = (H200, SECOND_H200)


def groups(text: str, gpus: tuple[Gpu, ...]) -> tuple[tuple[Gpu, ...], ...]:
    return DeviceChoice.from_environment({"QUANTGATE_DEVICE": text}).of(gpus).groups


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ((H200,), (SECOND_H200,))),
        ("auto", ((H200,), (SECOND_H200,))),
        ("cpu", ()),
        ("cuda", ((H200,), (SECOND_H200,))),
        ("cuda:1", ((SECOND_H200,),)),
        ("CUDA:0, cuda:1", ((H200,), (SECOND_H200,))),
        ("cuda:0+cuda:1", (BOTH,)),
    ],
)
def test_units_get_the_groups_that_were_written(
    text: str, expected: tuple[tuple[Gpu, ...], ...]
) -> None:
    assert groups(text, BOTH) == expected


def test_by_itself_a_machine_uses_gpus_of_one_kind() -> None:
    assert groups("auto", (H200, T4, SECOND_H200)) == ((H200,), (SECOND_H200,))


def test_by_itself_a_machine_without_gpus_computes_on_its_cpu() -> None:
    devices = DeviceChoice.from_environment({}).of(())
    assert (devices.name, devices.demanded, devices.cpu_alone) == ("cpu", False, False)


@pytest.mark.parametrize(
    "text",
    ["gpu", "cuda:", "cuda:x", "cuda:0;cuda:1", "cuda:0,cuda:0", "cuda:0+cuda:0", "cpu,cuda:0"],
)
def test_what_names_no_device_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="names no device"):
        groups(text, BOTH)


@pytest.mark.parametrize(("text", "gpus"), [("cuda", ()), ("cuda:0", ()), ("cuda:2", BOTH)])
def test_a_gpu_that_there_is_not_is_refused(text: str, gpus: tuple[Gpu, ...]) -> None:
    with pytest.raises(InputError, match=r"there is no .*: nvidia-smi shows"):
        groups(text, gpus)


def test_devices_that_compute_differently_are_refused() -> None:
    with pytest.raises(InputError, match="do not compute alike"):
        groups("cuda:0,cuda:1", (H200, T4))


def test_a_model_over_two_gpus_is_another_device_than_on_one() -> None:
    one, two = (
        DeviceChoice.from_environment({"QUANTGATE_DEVICE": text}).of(BOTH).name
        for text in ("cuda:0", "cuda:0+cuda:1")
    )
    assert two == f"2 x {one}"
