"""Energy is read where a machine has meters that may be read, and is None anywhere else."""

from pathlib import Path

from quantgate.pipelines.process.energy import EnergyWatch, ProcessorEnergy, energy_meters


def package(powercap: Path, microjoules: int, *, most: int = 1_000_000_000) -> ProcessorEnergy:
    folder = powercap / "intel-rapl:0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text("package-0\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return ProcessorEnergy(folder=folder)


def test_a_machine_without_meters_has_none(tmp_path: Path) -> None:
    assert energy_meters(tmp_path) == ()
    assert EnergyWatch(()).joules() is None


def test_packages_are_read_and_their_cores_are_not_counted_twice(tmp_path: Path) -> None:
    package(tmp_path, 5_000_000)
    for zone, name in (("intel-rapl:0:0", "core"), ("intel-rapl:1", "psys")):
        inside = tmp_path / zone
        inside.mkdir()
        (inside / "name").write_text(f"{name}\n")
        (inside / "energy_uj").write_text("4000000")
    meters = energy_meters(tmp_path)
    assert [meter.joules() for meter in meters] == [5.0]


def test_a_counter_that_begins_anew_in_between_goes_on(tmp_path: Path) -> None:
    meter = package(tmp_path, 990_000_000)
    watch = EnergyWatch((meter,))
    package(tmp_path, 30_000_000)
    assert watch.joules() == 40.0


def test_a_meter_that_cannot_be_read_any_more_says_nothing(tmp_path: Path) -> None:
    meter = package(tmp_path, 1_000_000)
    watch = EnergyWatch((meter,))
    (meter.folder / "energy_uj").unlink()
    assert watch.joules() is None
    assert energy_meters(tmp_path) == ()
