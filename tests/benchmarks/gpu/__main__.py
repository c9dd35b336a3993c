"""`make gpu-check`: builds and judges on a device, beside the CPU and bare tools, within a budget of minutes.

A part that fails or is cut off is told in the file, and fails nothing else. The exit code says whether the
first step measured anything.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from quantgate.flows.settings import cores_here
from quantgate.pipelines.domain.errors import QuantgateError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.process.devices.choice import DEVICE_VARIABLE
from quantgate.pipelines.process.devices.engines import (
    chosen_devices,
    llamacpp_device,
    llamacpp_kernels,
    llamacpp_lacks,
    torch_device,
    torch_lacks,
    torch_version,
)
from quantgate.pipelines.process.versions import installed_version
from tests.benchmarks.gpu.check import Check, Step
from tests.benchmarks.gpu.journal import Budget, Journal, LeftOutError
from tests.benchmarks.gpu.steps import REDUCED_STEPS, STEPS

_PLANNED_SECONDS = 600.0
"""What the steps' shares add up to more than: those that come last have what is left."""


def main() -> None:
    """Run the steps and print where the file is."""
    asked = _arguments()
    budget = Budget(asked.minutes * 60)
    os.environ[DEVICE_VARIABLE] = asked.device
    try:
        facts = _facts(asked)
    except QuantgateError as error:
        sys.exit(str(error))
    journal = Journal(asked.output, facts)
    journal.write()
    stands_in = asked.device == "cpu"
    items = asked.items if asked.items else 2 if stands_in else None
    steps = _chosen(asked.only, REDUCED_STEPS if stands_in else STEPS)
    with tempfile.TemporaryDirectory(prefix="quantgate-gpu-check-") as folder:
        check = Check(
            folder=Path(asked.keep or folder),
            device=asked.device,
            budget=budget,
            items_a_slice=items,
            vllm=asked.vllm or shutil.which("vllm"),
        )
        check.folder.mkdir(parents=True, exist_ok=True)
        run_steps(steps, check, journal)
    print(f"written: {asked.output}")
    sys.exit(0 if steps[0].name in journal.steps else 1)


def run_steps(steps: Sequence[Step], check: Check, journal: Journal) -> None:
    """Do one after the other, as long as there is time; each is told before the next begins."""
    for step in steps:
        left = check.budget.left_seconds
        if left < step.least_seconds:
            journal.leave_out(step.name, f"{max(0.0, left):.0f} s were left for it")
            continue
        print(f"{step.name} ({left:.0f} s left)", flush=True)
        began = time.monotonic()
        try:
            most = step.most_seconds * check.budget.seconds / _PLANNED_SECONDS
            values = step.work(replace(check, budget=Budget(min(left, most))))
        except LeftOutError as reason:
            journal.leave_out(step.name, str(reason))
        except Exception as error:  # noqa: BLE001 - one part's failure is no other part's
            journal.leave_out(step.name, f"{type(error).__name__}: {error}")
        else:
            journal.measured(step.name, values, time.monotonic() - began)
        print(f"  {journal.left_out.get(step.name) or journal.steps[step.name]}", flush=True)


def _chosen(names: Sequence[str], usual: Sequence[Step]) -> list[Step]:
    unknown = sorted(set(names) - {step.name for step in STEPS})
    if unknown:
        sys.exit(f"there is no step {', '.join(unknown)}: {', '.join(step.name for step in STEPS)}")
    return [step for step in STEPS if step.name in names] if names else list(usual)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0", help="cpu: the CPU stands in, reduced")
    parser.add_argument("--minutes", type=float, default=10.0, help="all of it takes no longer")
    parser.add_argument("--output", type=Path, default=Path("gpu-check.json"))
    parser.add_argument("--items", type=int, default=0, help="of each slice of the example; 0: all")
    parser.add_argument("--only", nargs="+", default=(), help="these steps and no others")
    parser.add_argument("--vllm", help="the program of a vLLM for this device")
    parser.add_argument("--keep", type=Path, help="keep stores and logs in this folder")
    return parser.parse_args()


def _facts(asked: argparse.Namespace) -> JsonObject:
    """Return what computes here; an engine that cannot use the device is told, and not waited for."""
    return {
        "device": chosen_devices().name,
        "torch": f"{torch_version()} on {torch_device()}",
        "llama.cpp": f"{installed_version('llama-cpp-python')} {llamacpp_kernels()} on {llamacpp_device()}",
        "lacks": [lack for lack in (torch_lacks(), llamacpp_lacks()) if lack],
        "cores": cores_here(),
        "machine": platform.machine(),
        "minutes": asked.minutes,
        "began_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


if __name__ == "__main__":
    main()
