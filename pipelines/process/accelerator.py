"""Which accelerators there are, told without importing torch, and which of them children compute on."""

import importlib.metadata
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from quantgate.pipelines.process.versions import installed_version

ACCELERATORS_VARIABLE = "QUANTGATE_ACCELERATORS"
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_HIDDEN = ("", "-1")
_NVIDIA_DEVICES = Path("/proc/driver/nvidia/gpus")
_device: ContextVar[str | None] = ContextVar("device", default=None)


def accelerator_name(
    devices: Path = _NVIDIA_DEVICES, environment: Mapping[str, str] = os.environ
) -> str | None:
    """Return the first accelerator's name; None where this torch uses none, or all are hidden.

    Reads what the NVIDIA kernel driver publishes (`Model:` in gpus/<address>/information).
    """
    if torch_version().endswith("+cpu") or environment.get(_VISIBLE) in _HIDDEN:
        return None
    for information in sorted(devices.glob("*/information")):
        for line in information.read_text(errors="replace").splitlines():
            if line.startswith("Model:"):
                return line.removeprefix("Model:").strip()
    return None


def accelerators_here(
    environment: Mapping[str, str] = os.environ, devices: Path = _NVIDIA_DEVICES
) -> tuple[str, ...]:
    """Return the accelerators that this program may use as CUDA_VISIBLE_DEVICES calls them, one at least.

    QUANTGATE_ACCELERATORS names them by commas, else that variable does, else they are counted.
    """
    for variable in (ACCELERATORS_VARIABLE, _VISIBLE):
        if names := tuple(filter(None, map(str.strip, environment.get(variable, "").split(",")))):
            return tuple(dict.fromkeys(names))
    return tuple(str(number) for number in range(len(tuple(devices.glob("*/information"))))) or (
        "0",
    )


@contextmanager
def computing_on(device: str) -> Iterator[None]:
    """Have children that this thread starts in a block see this accelerator alone."""
    token = _device.set(device)
    try:
        yield
    finally:
        _device.reset(token)


def device_variables() -> dict[str, str]:
    """Return the variables by which a child sees the accelerator that its unit holds, if it holds any."""
    device = _device.get()
    return {} if device is None else {_VISIBLE: device}


def torch_version() -> str:
    """Return the installed torch's version, "" where there is none."""
    try:
        return installed_version("torch")
    except importlib.metadata.PackageNotFoundError:
        return ""
