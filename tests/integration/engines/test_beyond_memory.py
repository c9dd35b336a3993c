"""Bases larger than memory: they are read, quantized and written a layer at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import Progress
from tests.support.builds.lone_build import build_alone
from tests.support.limits.memory import memory_limit
from tests.support.limits.watching import peaks
from tests.support.models.random_llama import Shape, write_random_llama
from tests.support.project import PROJECT

pytestmark = pytest.mark.integration

MEMORY_BYTES = 700_000_000
WIDTHS = {"hidden": 1024, "feed_forward": 2816}
TWICE_THE_MEMORY = Shape(**WIDTHS, layers=64)
"""723 million weights, 1.45 GB in bfloat16."""
SMALL = Shape(**WIDTHS, layers=16)
COMPRESSED_BYTES = 16 * 11_400_000
"""What its layers take in eight bits."""


def test_what_is_compressed_on_disk_does_not_stay_in_memory(tmp_path: Path) -> None:
    checkpoint = write_random_llama(tmp_path / "base", SMALL)
    loaded_bytes: list[int] = []
    with peaks() as highest:

        def look(progress: Progress) -> None:
            if progress.what == "saving":
                loaded_bytes.append(highest.anonymous_bytes)

        build_alone(
            str(checkpoint),
            Store(root=tmp_path / "store"),
            "FP8_DYNAMIC",
            resident_bytes=1,
            on_progress=look,
        )
    assert highest.anonymous_bytes < loaded_bytes[0] + COMPRESSED_BYTES / 2


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["FP8_DYNAMIC", "W4A16--gptq", "Q4_K_M"])
def test_a_base_of_twice_the_memory_is_built(recipe: str, tmp_path: Path) -> None:
    checkpoint = write_random_llama(tmp_path / "base", TWICE_THE_MEMORY, files=8)
    assert sum(file.stat().st_size for file in checkpoint.iterdir()) > 2 * MEMORY_BYTES
    command = [sys.executable, "-m", "tests.support.builds.lone_build", str(checkpoint)]
    command += [str(tmp_path / "store"), recipe, "1"]
    with memory_limit(MEMORY_BYTES) as enter:
        done = subprocess.run(
            command, cwd=PROJECT, capture_output=True, text=True, check=False, preexec_fn=enter
        )
    assert done.returncode == 0, done.stderr[-2000:]
