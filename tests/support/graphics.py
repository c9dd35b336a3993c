"""Machines with GPUs, as `nvidia-smi` would tell of them: a stand-in on PATH, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.process.devices.gpus import Gpu

H200 = Gpu(
    uuid="GPU-aaaaaaaa-0000",
    name="NVIDIA H200",
    memory_mebibytes=143771,
    driver="570.124.06",
    compute_capability="9.0",
)
SECOND_H200 = replace(H200, uuid="GPU-bbbbbbbb-0000")
T4 = Gpu(
    uuid="GPU-cccccccc-0000",
    name="Tesla T4",
    memory_mebibytes=15360,
    driver="570.124.06",
    compute_capability="7.5",
)


def program(folder: Path, name: str, script: str) -> Path:
    """Write a program for /bin/sh."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def listed(gpus: Sequence[Gpu]) -> str:
    """Return a script that prints what `nvidia-smi --query-gpu` would."""
    lines = (
        f"{g.uuid}, {g.name}, {g.memory_mebibytes}, {g.driver}, {g.compute_capability}"
        for g in gpus
    )
    return "\n".join(f"echo '{line}'" for line in lines) or "true"


def machine_with(monkeypatch: pytest.MonkeyPatch, folder: Path, gpus: Sequence[Gpu]) -> None:
    """Have this process find these GPUs, nothing chosen and all of them visible."""
    program(folder / "bin", "nvidia-smi", listed(gpus))
    monkeypatch.setenv("PATH", str(folder / "bin"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("QUANTGATE_DEVICE", raising=False)
