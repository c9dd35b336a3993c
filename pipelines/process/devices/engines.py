"""Which of the installed engines can compute on GPUs, and what each computes on, without importing them."""

import importlib.metadata
import importlib.util
import json
import os
import shutil
from functools import lru_cache
from pathlib import Path

from quantgate.pipelines.files.hashing import tell_asked
from quantgate.pipelines.process.devices.choice import DEVICE_VARIABLE, DeviceChoice, Devices
from quantgate.pipelines.process.devices.gpus import DRIVERS_TOOL, installed_gpus, visible_gpus
from quantgate.pipelines.process.versions import installed_version

_DECIDING = (DEVICE_VARIABLE, "CUDA_VISIBLE_DEVICES", "PATH")
_CUDA_LIBRARY = "libggml-cuda.so"
CUDA_BUILD_FILE = "cuda-build.json"
"""Beside llama.cpp's libraries: with what they were compiled; `requirements/setup` writes it."""
_SET_UP = "run `make setup CUDA=1`, or set QUANTGATE_DEVICE=cpu"


def chosen_devices() -> Devices:
    """Return what this machine computes on, by QUANTGATE_DEVICE and CUDA_VISIBLE_DEVICES.

    Raises:
        InputError: where a device is named that there is not.
        ToolchainError: where the driver's own tool fails.
    """
    chosen = _chosen(tuple((name, os.environ.get(name)) for name in _DECIDING))
    if not chosen.cpu_alone and shutil.which(DRIVERS_TOOL) is not None:
        tell_asked(DRIVERS_TOOL)
    return chosen


@lru_cache(maxsize=4)
def _chosen(variables: tuple[tuple[str, str | None], ...]) -> Devices:
    environment = {name: text for name, text in variables if text is not None}
    choice = DeviceChoice.from_environment(environment)
    if choice.kind == "cpu":
        return choice.of(())
    return choice.of(visible_gpus(installed_gpus(), environment))


def torch_version() -> str:
    """Return the installed torch's version, "" where there is none."""
    try:
        return installed_version("torch")
    except importlib.metadata.PackageNotFoundError:
        return ""


def torch_has_cuda() -> bool:
    """Whether torch was built with CUDA; its name says so where it was not."""
    return not torch_version().endswith("+cpu")


def torch_device() -> str:
    """Return what torch computes on here: `cpu`, or what `Devices.name` says."""
    return chosen_devices().name if torch_has_cuda() else "cpu"


def torch_lacks() -> str | None:
    """Return why torch cannot use the GPU that was asked for, in one sentence; None where it can."""
    if torch_has_cuda() or not chosen_devices().demanded:
        return None
    return f"torch {torch_version()} was built without CUDA: {_SET_UP}"


def llamacpp_libraries() -> Path | None:
    """Return the folder of llama.cpp's libraries, None where it is not installed."""
    package = importlib.util.find_spec("llama_cpp")
    return Path(package.origin).parent / "lib" if package and package.origin else None


def llamacpp_has_cuda(libraries: Path | None = None) -> bool:
    """Whether llama.cpp was compiled with CUDA."""
    libraries = libraries or llamacpp_libraries()
    return libraries is not None and (libraries / _CUDA_LIBRARY).exists()


def llamacpp_kernels() -> str:
    """Return with what the kernels were compiled that compute on a GPU; "" where the CPU computes."""
    libraries = llamacpp_libraries()
    return cuda_build(libraries) if libraries and llamacpp_device() != "cpu" else ""


def cuda_build(libraries: Path) -> str:
    """Return with what a folder's libraries were compiled, such as `CUDA 12.8, sm_90`."""
    try:
        built = json.loads((libraries / CUDA_BUILD_FILE).read_text(encoding="utf-8"))
        return f"CUDA {built['nvcc']}, sm_{built['architecture']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "CUDA, built elsewhere"


def llamacpp_device() -> str:
    """Return what llama.cpp computes on here: `cpu`, or what `Devices.name` says."""
    return chosen_devices().name if llamacpp_has_cuda() else "cpu"


def llamacpp_lacks() -> str | None:
    """Return why llama.cpp cannot use the GPU that was asked for, in one sentence; None where it can."""
    if llamacpp_has_cuda() or not chosen_devices().demanded:
        return None
    return f"llama-cpp-python was built without CUDA: {_SET_UP}"


def computes_on_gpus() -> bool:
    """Whether one of the two computes on a GPU here."""
    return (torch_has_cuda() or llamacpp_has_cuda()) and bool(chosen_devices().groups)
