"""Where the project and its example stand; nothing else in tests counts folders upwards."""

import shutil
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLE = PROJECT / "examples" / "support-desk"
HOUSES = ("calibration", "flows", "pipelines", "registry")


def copy_houses(folder: Path, *, compiled: bool = False) -> None:
    """Copy the program's four packages into a folder, with what Python has compiled of them if asked.

    Tests that run beside this one compile modules meanwhile: Python writes each to a name with a number
    behind `.pyc` and renames it, so such a name may be gone before it is copied, and is left out.
    """
    ignored = ("*.pyc.*",) if compiled else ("__pycache__",)
    for house in HOUSES:
        shutil.copytree(PROJECT / house, folder / house, ignore=shutil.ignore_patterns(*ignored))
