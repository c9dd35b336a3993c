"""Judging, registering and reporting, ended at one of its writes after another: what each end leaves.

`python -m tests.support.builds.registering FOLDER URI DATABASE ENDING FIRST STEP` walks the last units of a
build in a forked child that ENDING meets at its write number FIRST, then at FIRST + STEP and so on until a
walk has no such write any more. ENDING is a signal's name, or `gone` for a registry that fails from there on.
URI is MLflow's address, empty for a database in the store; DATABASE is the SQLite file behind either. A line
of JSON tells each end: see `Left`.

Writes are renamed files, requests to a server, and statements and commits of a database. MLflow is imported
once, before anything is forked.
"""

import json
import os
import shutil
import signal
import sqlite3
import sys
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from quantgate.flows.build import outcome, registering, units
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.references import run_references
from quantgate.flows.build.tracking import tracking
from quantgate.flows.build.verdicts import evidence
from quantgate.pipelines.domain.errors import QuantgateError
from quantgate.pipelines.files.interruption import INTERRUPTION
from quantgate.pipelines.process.signals import Ending, children_end_first
from quantgate.registry.lineage_tag import LINEAGE, spread
from quantgate.registry.opening import open_mlflow
from tests.support.builds.faked import faked_build
from tests.support.builds.walking import evidence_of
from tests.support.fakes import FakeBackend, FakeRuntime

os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"  # read when MLflow is imported
warnings.simplefilter("ignore")  # MLflow's own, on import and use

import quantgate.registry.mlflow.client  # noqa: E402,F401 - before any fork: it takes seconds

FAULT = 70
"""The exit code of a child whose registry failed in one of our errors."""

_VERSIONS = """
    SELECT version.name, version.version, tag.key, tag.value FROM model_versions AS version
    LEFT JOIN model_version_tags AS tag ON tag.name = version.name AND tag.version = version.version
    WHERE version.current_stage != 'Deleted_Internal' AND version.name = ?
"""
_RUNS = """
    SELECT runs.run_uuid, runs.status, tag.key, tag.value FROM runs
    JOIN tags AS tag ON tag.run_uuid = runs.run_uuid
    JOIN experiments USING (experiment_id) WHERE runs.lifecycle_stage = 'active' AND experiments.name = ?
"""
_COUNTS = """
    SELECT (SELECT count(*) FROM metrics WHERE run_uuid = runs.run_uuid),
        (SELECT count(*) FROM params WHERE run_uuid = runs.run_uuid),
        (SELECT count(*) FROM inputs WHERE destination_id = runs.run_uuid)
    FROM runs WHERE run_uuid = ?
"""
_NAMES_OF_THIS_RUN = ("mlflow.user", "mlflow.runName", "mlflow.artifactLocation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a registry holds of a model: runs (status, tags, counts of their parts), versions, aliases."""

    runs: list[dict[str, Any]]
    versions: dict[str, dict[str, str]]
    aliases: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """An end at a write: its exit code, what was left, what the next walk made of it, and its verdicts."""

    write: int
    code: int
    half: Held
    whole: Held
    verdicts: list[str]
    staging: list[str]


def main(arguments: list[str]) -> None:
    """Meet one write after another."""
    folder, uri, database, ending, first, step = arguments
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
    places = Places(folder=Path(folder), uri=uri or None, database=Path(database))
    write = int(first)
    while True:
        code, left = places.meet(ending, write)
        if code == 0 and ending != "none":
            break
        print(json.dumps(asdict(left)), flush=True)
        if ending == "none":
            break
        write += int(step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where walks take place: each begins with a store in which all but the last units are done."""

    folder: Path
    uri: str | None
    database: Path

    def meet(self, ending: str, write: int) -> tuple[int, Left]:
        """Walk and be ended, then walk again undisturbed."""
        name = f"demo-{ending}-{write}".lower()
        here = self.build(name)
        if self.uri is None:
            self._fresh()
        for planned in here.plan.variants:
            run_references(here, "llamacpp")
            units.build_files(here, planned)
            evidence_of(here, planned)
        code = _in_a_child(lambda: walk(self.build(name), ending, write))
        half = held(self.database, name)
        again = _in_a_child(lambda: walk(self.build(name), "none", 0))
        assert again == 0, again
        store = here.settings.store.root
        (result,) = (store / "reports").glob(f"{name}--*/result.json")
        left = Left(
            write=write,
            code=code,
            half=half,
            whole=held(self.database, name),
            verdicts=[row["decision"] for row in json.loads(result.read_text())["variants"]],
            staging=[str(path) for path in store.rglob(".*.staging-*")],
        )
        shutil.rmtree(store / "reports")
        return code, left

    def build(self, name: str) -> LocalBuild:
        """A plan of two recipes, one of which passes, for a model of this name."""
        wrong = {"Q2_K": {f"i{n}" for n in range(13)}}
        here = faked_build(self.folder, FakeBackend(), FakeRuntime(wrong=wrong))
        checkpoint = replace(here.plan.checkpoint, name=name)
        variants = tuple(
            replace(one, identifier=f"{name}--{one.recipe.name}") for one in here.plan.variants
        )
        plan = replace(here.plan, checkpoint=checkpoint, variants=variants)
        return replace(here, plan=plan, settings=replace(here.settings, tracking_uri=self.uri))

    def _fresh(self) -> None:
        """Begin with a database that has its tables and no more: they take ten seconds to make."""
        empty = self.folder / "empty.db"
        if not empty.exists():
            where = tracking(self.build("demo").settings)
            assert _in_a_child(lambda: 0 if open_mlflow(where) else 1) == 0
            shutil.copyfile(self.database, empty)
        shutil.copyfile(empty, self.database)


def walk(here: LocalBuild, ending: str, write: int) -> int:
    """Judge, register and report in a thread, as Prefect's task runner does, and return the exit code."""
    _count_writes(ending, write)

    def work() -> None:
        for planned in here.plan.variants:
            for unit in (evidence, registering.register):
                INTERRUPTION.check()  # as every task does before its unit
                unit(here, planned)
        INTERRUPTION.check()
        outcome.write_report(here)

    try:
        with children_end_first(), ThreadPoolExecutor(max_workers=1) as pool:
            pool.submit(work).result()
    except Ending as end:
        return end.exit_code
    except QuantgateError:
        return FAULT
    return 0


def _count_writes(ending: str, at: int) -> None:
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    writes = 0

    def count() -> None:
        nonlocal writes
        writes += 1
        if ending == "gone" and writes > at:
            raise ConnectionResetError("the registry went away")
        if ending.startswith("SIG") and writes == at + 1:
            os.kill(os.getpid(), getattr(signal, ending))

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "http.client.send" or (name == "os.rename" and ending != "gone"):
            count()

    def statement(*given: Any) -> None:
        if not str(given[2]).lstrip().upper().startswith(("SELECT", "PRAGMA")):
            count()

    sys.addaudithook(hook)
    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", lambda _: count())


def _in_a_child(work: Callable[[], int]) -> int:
    """Call a function in a fork of this process; return its exit code, negative for a signal."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = work()
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def held(database: Path, model: str) -> Held:
    """Read MLflow's own tables."""
    with closing(sqlite3.connect(database)) as tables:
        versions: dict[str, dict[str, str]] = {}
        for _, number, key, value in tables.execute(_VERSIONS, (model,)):
            versions.setdefault(str(number), {})[key] = value
        plain = {
            number: {key: text for key, text in spread(tags).items() if key != LINEAGE}
            for number, tags in versions.items()
        }
        runs: dict[str, dict[str, Any]] = {}
        for name, status, key, value in tables.execute(_RUNS, (model,)):
            run = runs.setdefault(name, {"status": status, "tags": {}})
            if key not in _NAMES_OF_THIS_RUN:
                run["tags"][key] = value
        for name, run in runs.items():
            run["counts"] = list(tables.execute(_COUNTS, (name,)).fetchone())
        aliases = tables.execute(
            "SELECT alias, version FROM registered_model_aliases WHERE name = ?", (model,)
        )
        return Held(
            runs=sorted(runs.values(), key=lambda run: str(run["tags"].get("identifier"))),
            versions=plain,
            aliases={alias: str(number) for alias, number in aliases},
        )


if __name__ == "__main__":
    main(sys.argv[1:])
