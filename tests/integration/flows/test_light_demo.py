"""`pip install 'quantgate[judge]'`: what judges transcripts needs no torch, MLflow or Prefect."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.wheels import build_wheel, install_alone

pytestmark = [pytest.mark.integration, pytest.mark.slow]  # some hundred megabytes are copied


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(folder / "environment" / "bin" / "quantgate"), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        cwd=folder,
    )


def test_what_judges_needs_neither_torch_nor_mlflow_nor_prefect(tmp_path: Path) -> None:
    (tmp_path / "wheel").mkdir()
    packages = install_alone(
        build_wheel(tmp_path / "wheel"), tmp_path / "environment", extra="judge"
    )
    names = {path.name.split("-")[0].lower() for path in packages.glob("*.dist-info")}
    assert {"torch", "mlflow", "prefect", "transformers", "llmcompressor"} & names == set()
    (tmp_path / "q.csv").write_text(
        "question,answer\n" + "".join(f"What is {n} plus 1?,{n + 1}\n" for n in range(40))
        + "Explain rain.,\"Water rises as vapour, cools down up there, and falls as drops.\"\n"
    )  # fmt: skip
    base, worse = "base-llamacpp-1.jsonl", "Q2_K.jsonl"
    commands: Sequence[tuple[int, str, tuple[str, ...]]] = (
        (0, "5 of 8 variants passed", ("demo",)),
        (0, "41 items", ("init", "mine", "--from", "q.csv")),
        (0, "0 problems", ("suite", "check", "mine/suite")),
        (2, "a run knows its suite by digest only", ("judge", f"quantgate-demo/transcripts/{base}",
                                                     f"quantgate-demo/transcripts/{worse}")),
    )  # fmt: skip
    for code, said, command in commands:
        finished = run(tmp_path, *command)
        assert finished.returncode == code, finished.stdout + finished.stderr
        assert said in finished.stdout + finished.stderr
