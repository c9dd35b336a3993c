"""Which accelerator torch would use here, told without importing torch."""

import importlib.metadata
from pathlib import Path

from quantgate.pipelines.process.versions import installed_version

_NVIDIA_DEVICES = Path("/proc/driver/nvidia/gpus")


def accelerator_name(devices: Path = _NVIDIA_DEVICES) -> str | None:
    """Return the first accelerator's name, None where there is none or torch was built without CUDA.

    Reads what the NVIDIA kernel driver publishes (`Model:` in gpus/<address>/information).
    """
    if torch_version().endswith("+cpu"):
        return None
    for information in sorted(devices.glob("*/information")):
        for line in information.read_text(errors="replace").splitlines():
            if line.startswith("Model:"):
                return line.removeprefix("Model:").strip()
    return None


def torch_version() -> str:
    """Return the installed torch's version, "" where there is none."""
    try:
        return installed_version("torch")
    except importlib.metadata.PackageNotFoundError:
        return ""
