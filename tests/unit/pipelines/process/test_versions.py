"""Versions of installed packages: those that Python's own reader tells, and never remembered ones."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from quantgate.pipelines.process.versions import installed_version


def install(folder: Path, metadata: str, file: str = "METADATA") -> None:
    kind = "dist-info" if file == "METADATA" else "egg-info"
    made = folder / f"made_up-1.{kind}"
    made.mkdir(exist_ok=True)
    (made / file).write_text(metadata)


@pytest.mark.parametrize("package", ["numpy", "pydantic", "llama-cpp-python", "torch"])
def test_a_version_is_what_python_itself_reads(package: str) -> None:
    assert installed_version(package) == version(package)


def test_what_was_upgraded_meanwhile_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for number in ("1.0", "1.1+cpu"):
        install(
            tmp_path, f"Metadata-Version: 2.1\nName: made-up\nVersion: {number}\n\nVersion: 9\n"
        )
        assert installed_version("made-up") == number


def test_a_package_without_such_metadata_is_read_as_python_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "Metadata-Version: 2.1\nName: made-up\nVersion: 1.2\n", "PKG-INFO")
    assert installed_version("made-up") == "1.2"


def test_what_is_not_installed_is_an_error() -> None:
    with pytest.raises(PackageNotFoundError):
        installed_version("nobody-has-this-package")
