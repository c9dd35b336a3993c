"""The program as a wheel, and an environment that has it with what it declares and nothing else."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.project import PROJECT, copy_houses


def build_wheel(folder: Path) -> Path:
    """Build a wheel of a copy: a checkout may hold files of an earlier build."""
    copy = folder / "copy"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, copy)
    copy_houses(copy)
    package = Path("requirements") / "package"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(PROJECT / package, copy / package, symlinks=True, ignore=ignored)
    options = ("-q", "--no-deps", "--no-build-isolation", "--no-index")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "-w", str(folder), str(copy)],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def install_alone(wheel: Path, folder: Path, *, extra: str = "") -> Path:
    """Install a wheel into a fresh environment, and return that one's folder of packages.

    What the wheel declares, for an extra as well, is copied from the environment that runs the tests: no
    network is needed, and nothing comes along that is not declared.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    options = ("-q", "--no-deps", "--no-index", "--no-compile")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", *options, str(wheel)],
        check=True,
        capture_output=True,
    )
    packages = next((folder / "lib").glob("python*/site-packages"))
    metadata = next(packages.glob("quantgate-*.dist-info"))
    for declared in sorted(_needed(Distribution.at(metadata), set(), extra), key=str):
        for file in declared.files or ():
            source, target = Path(str(declared.locate_file(file))), packages / file
            if source.is_file() and packages in target.resolve().parents:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
    return packages


def _needed(of: Distribution, seen: set[str], extra: str = "") -> Iterator[Distribution]:
    """Yield the distributions that one needs, for an extra or for none, and what they need."""
    for text in of.requires or ():
        requirement = Requirement(text)
        name = requirement.name
        if name in seen or (
            requirement.marker and not requirement.marker.evaluate({"extra": extra})
        ):
            continue
        seen.add(name)
        needed = distribution(name)
        yield needed
        yield from _needed(needed, seen)
