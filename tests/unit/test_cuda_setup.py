"""What `make setup CUDA=1` decides, and why it refuses, with stand-ins for NVIDIA's programs on PATH."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.graphics import program
from tests.support.project import PROJECT

_ARCHITECTURES = "75 80 86 89 90 100 120"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine with the programs that a test gives it."""

    folder: Path

    def compiler(self, version: str = "12.8", *, whole: bool = True) -> None:
        listed = "\n".join(f"echo compute_{number}" for number in _ARCHITECTURES.split())
        program(
            self.folder / "cuda" / "bin",
            "nvcc",
            f"""case $1 in
  --version) echo 'Cuda compilation tools, release {version}, V{version}.93' ;;
  --list-gpu-arch) {listed} ;;
esac""",
        )
        if whole:
            (self.folder / "cuda" / "lib64").mkdir()
            (self.folder / "cuda" / "lib64" / "libcublas.so").touch()

    def driver(self, *cards: str, runs_cuda: str = "12.9") -> None:
        lines = "\n".join(f"echo '570.124.06, {capability}'" for capability in cards)
        program(
            self.folder / "bin",
            "nvidia-smi",
            f"""case $1 in
  --query-gpu=*) {lines} ;;
  *) echo '| NVIDIA-SMI 570.124.06   Driver Version: 570.124.06   CUDA Version: {runs_cuda} |' ;;
esac""",
        )

    def runs(
        self, script: str, *arguments: str, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        plain: Mapping[str, str] = {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "QUANTGATE_CUDA_ROOT": str(self.folder / "cuda"),
            "QUANTGATE_SYSTEM_LIBRARIES": str(self.folder / "lib"),
            "PYTHON": os.environ.get("PYTHON", "python3.11"),
        }
        return subprocess.run(
            [PROJECT / "requirements" / script, *arguments],
            env={**plain, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(folder=tmp_path)


def decided(done: "subprocess.CompletedProcess[str]") -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_the_architecture_is_that_of_the_gpus_here(host: Host) -> None:
    host.compiler()
    host.driver("9.0", "9.0")
    assert decided(host.runs("cuda")) == {
        "nvcc": str(host.folder / "cuda" / "bin" / "nvcc"),
        "version": "12.8",
        "architecture": "90",
        "driver": "570",
    }


def test_several_kinds_of_gpus_are_compiled_for(host: Host) -> None:
    host.compiler()
    host.driver("9.0", "7.5", "12.0")
    assert decided(host.runs("cuda"))["architecture"] == "75;90;120"


def test_an_architecture_that_is_named_needs_no_gpu(host: Host) -> None:
    host.compiler()
    named = decided(host.runs("cuda", CUDA_ARCH="90;120"))
    assert (named["architecture"], named["driver"]) == ("90;120", "none")


@pytest.mark.parametrize(
    ("version", "runs_cuda"), [("12.8", "12.2"), ("12.8", "13.0"), ("12.0", "12.9")]
)
def test_a_driver_runs_what_any_toolkit_of_its_major_version_or_an_older_one_compiled(
    host: Host, version: str, runs_cuda: str
) -> None:
    host.compiler(version)
    host.driver("9.0", runs_cuda=runs_cuda)
    assert decided(host.runs("cuda"))["version"] == version


def refused(done: "subprocess.CompletedProcess[str]") -> str:
    assert (done.returncode, done.stdout) == (4, "")
    assert len(done.stderr.splitlines()) == 2, done.stderr  # what is wrong, and what to do next
    return done.stderr


def test_without_a_compiler_it_is_refused(host: Host) -> None:
    host.driver("9.0")
    assert "nvcc is not installed" in refused(host.runs("cuda"))


def test_without_cublas_it_is_refused(host: Host) -> None:
    host.compiler(whole=False)
    host.driver("9.0")
    assert "cuBLAS" in refused(host.runs("cuda"))


def test_without_a_gpu_or_an_architecture_it_is_refused(host: Host) -> None:
    host.compiler()
    assert "nvidia-smi shows no GPU" in refused(host.runs("cuda"))


def test_a_compiler_that_is_newer_than_the_driver_is_refused(host: Host) -> None:
    host.compiler("13.0")
    host.driver("9.0", runs_cuda="12.9")
    assert "CUDA 12 at most" in refused(host.runs("cuda"))


def test_a_compiler_that_is_older_than_the_gpu_is_refused(host: Host) -> None:
    host.compiler()
    host.driver("13.5")
    assert "cannot compile for architecture 135" in refused(host.runs("cuda"))


@pytest.mark.parametrize("named", ["sm_90", "native", "9.0"])
def test_what_is_no_architecture_is_refused(host: Host, named: str) -> None:
    host.compiler()
    assert "is no architecture" in refused(host.runs("cuda", CUDA_ARCH=named))


def test_setting_up_refuses_before_anything_is_made(host: Host) -> None:
    """In a copy of its own: nothing of this environment is touched."""
    assert "nvcc is not installed" in refused(_set_up(host, CUDA="1"))
    assert "says nothing" in refused(_set_up(host, CUDA="yes"))
    assert not (host.folder / "project" / ".venv").exists()


def _set_up(host: Host, **variables: str) -> "subprocess.CompletedProcess[str]":
    copied = host.folder / "project" / "requirements"
    copied.mkdir(parents=True, exist_ok=True)
    for name in ("setup", "cuda"):
        (copied / name).write_bytes((PROJECT / "requirements" / name).read_bytes())
        (copied / name).chmod(0o755)
    return host.runs(str(copied / "setup"), "main", **variables)
