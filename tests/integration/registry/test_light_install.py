"""`pip install quantgate` without `[build]`: what looks up, pulls and verifies, against a real server."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantgate.pipelines.files.store import Store
from quantgate.registry import Tracking, record
from tests.support.registered.registries import Sample, evidence_of
from tests.support.servers.mlflow_served import served_mlflow
from tests.support.wheels import build_wheel, install_alone

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

MODEL = "support-llama"
MOST_BYTES = 40_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """An environment with the wheel and what it declares; `uri` is a server's with one version."""

    folder: Path
    packages: Path
    uri: str

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.folder / "bin" / "quantgate"), *arguments],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "MLFLOW_TRACKING_URI": self.uri,
            },
            capture_output=True,
            text=True,
            cwd=self.folder,
        )


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Light]:
    folder = tmp_path_factory.mktemp("light")
    packages = install_alone(build_wheel(tmp_path_factory.mktemp("wheel")), folder / "environment")
    served = tmp_path_factory.mktemp("served")
    with served_mlflow(served) as uri:
        store = Store(root=served / "store")
        record(evidence_of(Sample(), store), Tracking.resolve(store, uri=uri))
        yield Light(folder=folder / "environment", packages=packages, uri=uri)


def test_it_needs_few_packages_of_few_bytes(light: Light) -> None:
    names = {path.name.split("-")[0].lower() for path in light.packages.glob("*.dist-info")}
    assert {"quantgate", "click", "pydantic", "typing_extensions"} <= names
    assert {"mlflow", "torch", "numpy", "rich", "prefect"} & names == set()
    files = (path for path in light.packages.rglob("*") if path.is_file())
    needed = [
        path for path in files if "quantgate" not in path.relative_to(light.packages).parts[0]
    ]
    assert sum(path.stat().st_size for path in needed) < MOST_BYTES


def test_a_server_is_asked_and_files_are_pulled_and_verified(light: Light) -> None:
    looked_up = light.run("lookup", MODEL, "--suite", "support-desk", "--json")
    assert looked_up.returncode == 0, looked_up.stderr
    assert json.loads(looked_up.stdout)["facts"]["recipe"] == "Q4_K_M--imatrix"
    for command in ("lineage", "history", "verify"):
        assert light.run(command, MODEL).returncode == 0
    pulled = light.run("pull", f"{MODEL}@support-desk", "--to", "models", "--json")
    assert pulled.returncode == 0, pulled.stderr
    artifact = Path(json.loads(pulled.stdout)["artifact"])
    assert artifact.is_relative_to(light.folder / "models")
    assert artifact.stat().st_size == 4000


def test_the_documented_import_works(light: Light) -> None:
    code = (
        "from quantgate import lookup, verify; v = lookup('support-llama'); verify(v); print(v.uri)"
    )
    finished = subprocess.run(
        [str(light.folder / "bin" / "python"), "-c", code],
        env={"PATH": os.environ["PATH"], "MLFLOW_TRACKING_URI": light.uri},
        capture_output=True,
        text=True,
        cwd=light.folder,
    )
    assert finished.stdout.strip() == f"models:/{MODEL}/1", finished.stderr


@pytest.mark.parametrize(
    "command", [("quantize", "nowhere", "--suite", "s"), ("recipes",), ("doctor",)]
)
def test_what_builds_says_what_to_install(light: Light, command: tuple[str, ...]) -> None:
    finished = light.run(*command)
    assert finished.returncode == 4, finished.stderr
    assert "pip install 'quantgate[build]'" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_bundle_is_judged_again_by_what_builds_alone(light: Light) -> None:
    (light.folder / "file.bundle").write_bytes(b"")
    finished = light.run("verify", "file.bundle")
    assert finished.returncode == 4, finished.stderr
    assert "pip install 'quantgate[build]'" in finished.stderr


def test_help_and_a_server_that_is_not_there(light: Light) -> None:
    assert light.run("--help").returncode == 0
    away = subprocess.run(
        [str(light.folder / "bin" / "quantgate"), "lookup", MODEL],
        env={"PATH": os.environ["PATH"], "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        cwd=light.folder,
    )
    assert away.returncode == 6
    assert away.stderr.startswith("quantgate: http://127.0.0.1:9: MLflow does not answer")
