"""What `quantgate quantize` imports before it knows what is asked: a second run does little else."""

import subprocess
import sys

IMPORTS = """
import sys
import quantgate.flows.cli.quantize
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
HEAVY = {"matplotlib", "mlflow", "pandas", "prefect", "pyarrow", "scipy", "torch", "transformers"}


def test_what_only_some_builds_need_is_imported_by_those() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True
    )
    assert (SELDOM_NEEDED | HEAVY) & set(finished.stdout.split()) == set()
