"""What a plan depends on beside the files that it is made of."""

import os
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from quantgate.flows.build.repeating.stamps import package_stamp_of, stamps_below
from quantgate.flows.settings import cores_here
from quantgate.pipelines.domain.values import Digest, JsonValue, digest_of
from quantgate.pipelines.files.sources import HOUSES, ROOT
from quantgate.pipelines.process.memory import total_bytes
from quantgate.pipelines.process.versions import package_folders

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_DRIVER_S_TOOL = "nvidia-smi"
"""Where there is one, planning asks it which GPUs there are (`pipelines.process.devices.gpus`)."""
_OF_A_SHELL = frozenset({"_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL", "PYTEST_CURRENT_TEST"})
"""Variables that differ from one command to the next and say nothing."""
_WRITTEN_BY_PYTHON = ("__pycache__",)


def circumstances(environment: Mapping[str, str] = os.environ) -> Digest:
    """Return one digest of this program, its packages, the machine, the day and the whole environment.

    Each of them is more than a plan depends on: where one changes for nothing, planning once is all it costs.
    The day counts for waivers that end.
    """
    variables: JsonValue = {
        name: text for name, text in sorted(environment.items()) if name not in _OF_A_SHELL
    }
    return digest_of(
        [
            variables,
            str(Path.cwd()),
            str(datetime.now(UTC).date()),
            sys.version,
            *sys.path,
            *(
                (place, *package_stamp_of(place))
                for place in (sys.executable, *map(str, package_folders()))
            ),
            *((place, *package_stamp_of(place)) for house in HOUSES for place in _sources(house)),
            _boot(),
            shutil.which(_DRIVER_S_TOOL) or "",
            cores_here(),
            total_bytes() or 0,
            os.geteuid(),
        ]
    )


def _sources(house: str) -> list[str]:
    return [place for place, _ in stamps_below(ROOT / house, _WRITTEN_BY_PYTHON)]


def _boot() -> str:
    """Return what names this start of this machine, "" where nothing does."""
    try:
        return _BOOT.read_text(encoding="ascii")
    except OSError:
        return ""
