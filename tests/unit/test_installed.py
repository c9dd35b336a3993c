"""What an installation brings: one import name, with types and all files of data."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import quantgate
from tests.support.project import HOUSES, PROJECT
from tests.support.wheels import build_wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of the files in a wheel."""
    with zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel"))) as archive:
        return archive.namelist()


def test_an_installation_puts_one_name_beside_those_of_others(wheel: list[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert tops == {"quantgate", "quantgate-0.1.0.dist-info"}


def test_every_module_and_every_file_of_data_is_installed(wheel: list[str]) -> None:
    ours = {
        f"quantgate/{path.relative_to(PROJECT)}"
        for house in HOUSES
        for path in (PROJECT / house).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert ours - set(wheel) == set()
    assert {"quantgate/__init__.py", "quantgate/py.typed"} <= set(wheel)


def test_the_command_and_the_module_are_the_same_program() -> None:
    shown = [
        subprocess.run(
            [*command, "--help"], capture_output=True, text=True, check=True, cwd="/"
        ).stdout
        for command in (
            [str(Path(sys.executable).with_name("quantgate"))],
            [sys.executable, "-m", "quantgate"],
        )
    ]
    assert shown[0] == shown[1]
    assert shown[0].startswith("Usage: quantgate ")


def test_a_name_that_is_not_there_is_said() -> None:
    with pytest.raises(AttributeError, match="module 'quantgate' has no attribute 'look'"):
        getattr(quantgate, "look")  # noqa: B009 - mypy knows that it is not there
