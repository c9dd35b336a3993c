"""This machine's NVIDIA GPUs, as `nvidia-smi` tells of them: nothing heavy is imported for that."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError, ToolchainError

DRIVERS_TOOL = "nvidia-smi"
_DRIVER = Path("/proc/driver/nvidia/version")
_FIELDS = ("uuid", "name", "memory.total", "driver_version", "compute_cap")
_TIMEOUT_SECONDS = 60.0
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_NONE_VISIBLE = ("", "-1", "NoDevFiles")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU; `uuid` is what CUDA_VISIBLE_DEVICES takes, `compute_capability` such as `9.0`."""

    uuid: str
    name: str
    memory_mebibytes: int
    driver: str
    compute_capability: str

    @property
    def kind(self) -> str:
        """What verdicts say of it: two GPUs of one kind compute alike."""
        gibibytes = round(self.memory_mebibytes / 1024)
        return (
            f"{self.name}, {gibibytes} GiB, compute capability {self.compute_capability}, "
            f"driver {self.driver}"
        )


def installed_gpus(driver: Path = _DRIVER) -> tuple[Gpu, ...]:
    """Return all of them in the order of their PCI addresses; () where there is no `nvidia-smi`.

    One that fails where no driver is loaded says the same: images for machines with GPUs have it, too.

    Raises:
        ToolchainError: where a driver is loaded, and `nvidia-smi` fails or says something else.
    """
    program = shutil.which(DRIVERS_TOOL)
    if program is None:
        return ()
    command = [program, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=True
        )
        return tuple(_gpu(line) for line in asked.stdout.splitlines() if line.strip())
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        if not driver.exists():
            return ()
        raise ToolchainError(
            f"nvidia-smi does not tell what GPUs there are ({error})",
            next_step="see what `nvidia-smi` says, or compute on the CPU: QUANTGATE_DEVICE=cpu",
        ) from error


def _gpu(line: str) -> Gpu:
    uuid, name, memory, driver, capability = (part.strip() for part in line.split(","))
    return Gpu(
        uuid=uuid,
        name=name,
        memory_mebibytes=int(memory),
        driver=driver,
        compute_capability=capability,
    )


def visible_gpus(gpus: Sequence[Gpu], environment: Mapping[str, str]) -> tuple[Gpu, ...]:
    """Return those that CUDA_VISIBLE_DEVICES leaves, in its order; all where it is not set.

    Source: CUDA C++ Programming Guide, "CUDA Environment Variables". Numbers count in the order of PCI
    addresses here, so the variable CUDA_DEVICE_ORDER is not needed.

    Raises:
        InputError: where it names none that there is.
    """
    listed = environment.get(_VISIBLE)
    if listed is None or not gpus:
        return tuple(gpus)
    if listed.strip() in _NONE_VISIBLE:
        return ()
    return tuple(_named(name.strip(), gpus) for name in listed.split(","))


def _named(name: str, gpus: Sequence[Gpu]) -> Gpu:
    if name.isdigit() and int(name) < len(gpus):
        return gpus[int(name)]
    alike = [gpu for gpu in gpus if name.startswith("GPU-") and gpu.uuid.startswith(name)]
    if len(alike) == 1:
        return alike[0]
    raise InputError(
        f"'{name}' is none of the {len(gpus)} GPUs that nvidia-smi lists",
        where=_VISIBLE,
        next_step="name GPUs by number or UUID (parts of one, by MIG, are not used), or leave it out",
    )
