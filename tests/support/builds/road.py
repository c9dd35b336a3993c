"""The whole road as a user walks it: the command in a child process, on a smaller copy of the example."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from atexit import register
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from quantgate.flows.orchestration.server.api import project_prefect_api
from quantgate.registry.lineage_tag import spread
from tests.support.project import EXAMPLE, PROJECT

RECIPES = ("Q8_0", "FP8_DYNAMIC", "Q4_K_M--imatrix", "NVFP4", "W4A16--gptq", "Q2_K")


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """A build file over a reduced suite and corpus, the store it works in, and Prefect's server if named.

    `variables` are added to a command's environment.
    """

    folder: Path
    store: Path
    prefect_api: str | None = None
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a command: this store, and no service but local ones."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MLFLOW_", "PREFECT_", "QUANTGATE_STORE"))
        }
        named = {"PREFECT_API_URL": self.prefect_api} if self.prefect_api else {}
        return kept | named | dict(self.variables) | {"QUANTGATE_STORE": str(self.store)}

    def command(self, *arguments: str) -> list[str]:
        """The command line of `quantgate` with arguments."""
        return [sys.executable, "-m", "quantgate", *arguments]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run `quantgate` to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `quantgate`; its progress lines come on standard error."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=PROJECT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def identifiers(self) -> dict[str, str]:
        """The variant of each registered version, by its number, as the registry's database has them."""
        tags: dict[str, dict[str, str]] = {}
        with closing(sqlite3.connect(self.store / "mlflow.db")) as database:
            for version, key, text in database.execute(
                "select version, key, value from model_version_tags"
            ):
                tags.setdefault(str(version), {})[key] = text
        return {version: spread(held)["identifier"] for version, held in tags.items()}

    def passing(self, result: str) -> list[str]:
        """The variants that passed, sorted, as a build's `--json` output says."""
        rows = json.loads(result)["variants"]
        return sorted(row["identifier"] for row in rows if row["decision"] == "pass")

    @property
    def build(self) -> tuple[str, ...]:
        """The arguments that quantize this road's build."""
        return ("quantize", "--build", str(self.folder / "build.yaml"))


def make_road(folder: Path, recipes: tuple[str, ...], items_a_slice: int) -> Road:
    """Copy the example with its first items of every slice, 96 sequences and two reference runs."""
    shutil.copytree(EXAMPLE / "suite", folder / "suite")
    first_items(folder / "suite" / "items.jsonl", items_a_slice)
    (folder / "corpus.yaml").write_text(
        "name: support-traffic\nsequences: 96\nsources:\n"
        f"  - path: {EXAMPLE / 'traffic' / 'messages.jsonl'}\n"
    )
    (folder / "policy.yaml").write_text("reference_runs: 2\n")
    (folder / "build.yaml").write_text(
        f"name: support-llama\nmodel: {EXAMPLE / 'checkpoint'}\nsuite: suite\ncorpus: corpus.yaml\n"
        f"policy: policy.yaml\nrecipes: [{', '.join(recipes)}]\n"
    )
    return Road(folder=folder, store=folder / "store")


def first_items(file: Path, a_slice: int) -> None:
    """Leave so many items of each slice in a suite's file."""
    taken: dict[str, int] = {}
    kept = []
    for line in file.read_text().splitlines():
        slices = json.loads(line)["slices"]
        if any(taken.get(name, 0) < a_slice for name in slices):
            kept.append(line)
            for name in slices:
                taken[name] = taken.get(name, 0) + 1
    file.write_text("\n".join(kept) + "\n")


def orchestrated(road: Road) -> Road:
    """Return the road with the test process's Prefect server, for what looks elsewhere than at servers."""
    return replace(road, prefect_api=_shared_prefect())


@cache
def _shared_prefect() -> str:
    """Start the Prefect server of this test process; each start costs some six seconds of processor time."""
    running = ExitStack()
    register(running.close)
    folder = running.enter_context(tempfile.TemporaryDirectory(prefix="quantgate-prefect-"))
    return running.enter_context(project_prefect_api(Path(folder)))


def leftovers(store: Path) -> list[Path]:
    """Staging folders and half-written runs that somebody left."""
    staging = list(store.rglob(".*.staging-*"))
    unfinished = store / "unfinished"
    return staging + (list(unfinished.iterdir()) if unfinished.exists() else [])
