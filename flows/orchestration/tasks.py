"""Prefect tasks: one call of a unit each, named so that a person can read the run.

A task takes the plan's file and a unit's identifier and returns a small JSON manifest. The truth is in
the store: a task that runs again finds its unit sealed. What fails for good is kept beside the plan, so
that the report can say it even when Prefect's own records are gone.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import ParamSpec

from prefect import Task, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from quantgate.flows.build import outcome, recorded_pages, registering, units
from quantgate.flows.build.bases import refuse_base
from quantgate.flows.build.errors import BUILD, REGISTER, guarded, is_refused, read_errors
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan_files import read_plan
from quantgate.flows.build.references import require_prospects, run_references
from quantgate.flows.build.resources import needs
from quantgate.flows.build.resources.machine import Machine, Memory
from quantgate.flows.build.sources import refuse_unlike_source
from quantgate.flows.build.verdicts import evidence
from quantgate.flows.progress.board import Board, PlainBoard
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.audit.bench.bench import base_in
from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.sealed_values import required
from quantgate.pipelines.process.memory import available_bytes
from quantgate.pipelines.process.secrecy import hide_secrets

Inputs = ParamSpec("Inputs")

_TRIES_AFTER_THE_FIRST = 2
_SECONDS_BETWEEN_TRIES = (5.0, 20.0)

_boards: list[Board] = []
"""The board of the command that runs this process, if any."""

_registry_turn = threading.Lock()
"""MLflow's first import and first schema creation do not like company."""


def begin_anew(board: Board) -> None:
    """Show the units of this process on `board`, and take nothing from a build that it ran before.

    A process that follows releases runs many; what one found out may hold no longer (a waiver may have
    expired, the registry may have lost a version).
    """
    _boards[:] = [board]
    open_build.cache_clear()


@lru_cache(maxsize=4)
def open_build(plan_file: str) -> LocalBuild:
    """Open a plan on this machine, with the real tools."""
    hide_secrets()  # this may be a process that Prefect started
    settings = Settings.from_environment()
    plan = read_plan(Path(plan_file))
    return LocalBuild(
        plan=plan,
        settings=settings,
        tools=wire(settings, plan.servers),
        show=(_boards[0] if _boards else PlainBoard()).unit,
    )


@lru_cache(maxsize=1)
def _machine() -> Machine:
    """What the builds of this process share."""
    settings = Settings.from_environment()
    memory = Memory(
        lambda: min(available_bytes(), settings.memory_bytes), side_by_side=settings.workers
    )
    return Machine(memory, settings.tool_cache / "accelerator.lock")


def _only_transient(_task: object, _run: object, state: object) -> bool:
    """Retry only what says that the same call may succeed later."""
    error = getattr(state, "data", None)
    error = getattr(error, "result", error)
    return isinstance(error, ServiceError) and error.transient


def _task(run_name: str) -> Callable[[Callable[Inputs, JsonObject]], Task[Inputs, JsonObject]]:
    """Make a function a task: never cached by Prefect, retried only for transient errors."""
    return task(
        name=run_name.split(" {")[0],
        task_run_name=run_name,
        cache_policy=NO_CACHE,
        retries=_TRIES_AFTER_THE_FIRST,
        retry_delay_seconds=list(_SECONDS_BETWEEN_TRIES),
        retry_condition_fn=_only_transient,
    )


@contextmanager
def _unit(plan_file: str, identifier: str, step: str) -> Iterator[LocalBuild]:
    """Open the build that a unit belongs to, for the time in which the unit is done."""
    build = open_build(plan_file)
    with guarded(build, identifier, step):
        yield build


@_task("base {runtime}")
def base(plan_file: str, runtime: str) -> JsonObject:
    """See whether the base, as a runtime computes it, is the checkpoint, and this the GGUF it was made of.

    A server's base is seen while its server runs for the reference: so it starts once.
    """
    with _unit(plan_file, base_in(runtime), "compare") as build:
        checkpoint = build.plan.checkpoint
        if checkpoint.origin is not None:
            with _machine().hold(needs.to_compare(build, runtime)):
                refuse_unlike_source(build)
        if runtime not in build.plan.served:
            with _machine().hold(needs.to_compare(build, runtime)):
                refuse_base(build, runtime)
        return {"runtime": runtime}


@_task("reference {runtime}")
def reference(plan_file: str, runtime: str) -> JsonObject:
    """Answer the suite with the base, as often as the policy asks, and see whether anything can pass."""
    with _unit(plan_file, base_in(runtime), "reference") as build:
        with _machine().hold(needs.to_ask_the_base(build, runtime)):
            runs = run_references(build, runtime)
        require_prospects(build, runtime, runs)
        return {"runtime": runtime, "runs": [run.key for run in runs]}


@_task("build {identifier}")
def build(plan_file: str, identifier: str) -> JsonObject:
    """Build one variant, unless the base failed in every runtime that would judge it."""
    with _unit(plan_file, identifier, BUILD) as build:
        planned = build.plan.variant(identifier)
        if is_refused(build.plan, planned, read_errors(build.plan, build.settings)):
            return {"variant": identifier, "key": None, "files": None}
        with _machine().hold(needs.to_build(build, planned)):
            variant = units.build_files(build, planned)
        return {"variant": identifier, "key": variant.key, "files": variant.files_digest}


@_task("audit {identifier}")
def audit(plan_file: str, identifier: str) -> JsonObject:
    """Audit one variant; one that is judged in a server answers too, while that runs."""
    with _unit(plan_file, identifier, "audit") as build:
        planned = build.plan.variant(identifier)
        work = (
            units.audit_and_answer if planned.recipe.runtime in build.plan.served else units.audit
        )
        with _machine().hold(needs.to_audit(build, planned)):
            report = work(build, planned)
        return {"variant": identifier, "misses": [miss.check for miss in report.misses]}


@_task("answer {identifier}")
def answer(plan_file: str, identifier: str) -> JsonObject:
    """Run the suite on one variant, unless its audit failed."""
    with _unit(plan_file, identifier, "answer") as build:
        planned = build.plan.variant(identifier)
        if not required(units.sealed_audit(build, planned)).passed:
            return {"variant": identifier, "run": None}
        with _machine().hold(needs.to_answer(build, planned)):
            return {"variant": identifier, "run": units.answer(build, planned).key}


@_task("judge {identifier}")
def judge(plan_file: str, identifier: str) -> JsonObject:
    """Pair one variant with the reference and judge it."""
    with _unit(plan_file, identifier, "judge") as build:
        verdict = evidence(build, build.plan.variant(identifier)).verdict
        return {"variant": identifier, "decision": verdict.decision, "reasons": [*verdict.reasons]}


@_task("register {identifier}")
def register(plan_file: str, identifier: str) -> JsonObject:
    """Record one judged variant; it becomes a version where it passed."""
    with _unit(plan_file, identifier, REGISTER) as build, _registry_turn:
        receipt = registering.register(build, build.plan.variant(identifier))
        return {"variant": identifier, "run": receipt.run_id, "version": receipt.version}


@_task("report")
def report(plan_file: str) -> JsonObject:
    """Write the page and the JSON result."""
    build = open_build(plan_file)
    result = outcome.write_report(build)
    recorded_pages.keep_pages(build, result)
    create_table_artifact(
        key="verdicts",
        table=[asdict(row) for row in result.rows],
        description=f"Verdicts of {result.name}",
    )
    return {"page": str(result.page), "exit_code": result.exit_code}
