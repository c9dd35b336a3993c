"""What `quantgate quantize` imports before it knows what is asked: a second run does little else."""

import subprocess
import sys

IMPORTS = """
import sys
import quantgate.flows.cli.quantizing.command
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
SELDOM_NEEDED = {
    "boto3",
    "cryptography",
    "cyclonedx",
    "httpx",
    "huggingface_hub",
    "model_signing",
    "requests",
    "sigstore",
}
AGAIN = """
import sys
import quantgate.flows.cli.quantizing.again
print(*(name for name in sys.modules if name.startswith("quantgate.") or name == "numpy"))
"""
HEAVY = {"matplotlib", "mlflow", "pandas", "prefect", "pyarrow", "scipy", "torch", "transformers"}


def test_what_only_some_builds_need_is_imported_by_those() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True
    )
    assert (SELDOM_NEEDED | HEAVY) & set(finished.stdout.split()) == set()


def test_a_command_asked_again_imports_nothing_that_plans() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", AGAIN], capture_output=True, text=True, check=True
    )
    modules = finished.stdout.split()
    planning = (
        "quantgate.calibration",
        "quantgate.flows.wiring",
        "quantgate.pipelines.suites",
        "numpy",
    )
    assert [name for name in modules if name.startswith(planning)] == []
    assert len(modules) < 220, "it takes a quarter of a second (157 modules of ours)"
