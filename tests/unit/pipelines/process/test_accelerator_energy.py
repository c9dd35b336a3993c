"""Accelerators are asked through their driver's library; here a stand-in of a few lines of C."""

import subprocess
from pathlib import Path

import pytest

from quantgate.pipelines.process.accelerator_energy import accelerator_meters
from quantgate.pipelines.process.energy import EnergyWatch

STAND_IN = """
static unsigned long long millijoules = 5000;
int nvmlInit_v2(void) { return INIT; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 3; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    *handle = (void *)(unsigned long)(index + 1);
    return index == 2 ? 15 : 0;  /* one that is lost */
}
int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *taken) {
    if ((unsigned long)handle == 2) return 3;  /* one that does not count */
    *taken = millijoules += 2500;
    return 0;
}
"""


def stand_in(folder: Path, *, init: int = 0) -> str:
    source, library = folder / f"nvml{init}.c", folder / f"libnvml{init}.so"
    source.write_text(STAND_IN.replace("INIT", str(init)))
    command = ["gcc", "-shared", "-fPIC", "-o", str(library), str(source)]
    subprocess.run(command, check=True)
    return str(library)


def test_accelerators_that_count_are_read_and_the_others_left_out(tmp_path: Path) -> None:
    meters = accelerator_meters(stand_in(tmp_path))
    assert len(meters) == 1
    watch = EnergyWatch(meters)
    assert watch.joules() == 2.5


@pytest.mark.parametrize("init", [9])
def test_a_driver_that_does_not_start_has_none(tmp_path: Path, init: int) -> None:
    assert accelerator_meters(stand_in(tmp_path, init=init)) == ()


def test_a_machine_without_such_a_driver_has_none(tmp_path: Path) -> None:
    assert accelerator_meters(str(tmp_path / "gone.so")) == ()
