"""Prefect tasks: one call of a unit each, named so that a person can read the run.

A task takes the plan's file and a unit's identifier and returns a small JSON manifest. The truth is in
the store: a task that runs again finds its unit sealed. What fails for good is kept beside the plan, so
that the report can say it even when Prefect's own records are gone.
"""

import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import ParamSpec

from prefect import Task, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from quantgate.flows.build import outcome, units
from quantgate.flows.build.errors import (
    BUILD,
    REGISTER,
    forget_error,
    is_refused,
    read_errors,
    record_error,
)
from quantgate.flows.build.plan_files import read_plan
from quantgate.flows.build.room import (
    Memory,
    Need,
    Room,
    available_bytes,
    needed_to_build,
    needed_to_compare,
    needed_to_run,
)
from quantgate.flows.build.site import BuildSite
from quantgate.flows.build.verdicts import evidence
from quantgate.flows.progress.board import Board, PlainBoard
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import equipment
from quantgate.pipelines.domain.errors import InterruptionError, QuantgateError, ServiceError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.full_disk import full_disk
from quantgate.pipelines.files.interruption import INTERRUPTION
from quantgate.pipelines.process.secrecy import hide_secrets
from quantgate.pipelines.variants.variant import PlannedVariant

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
    open_site.cache_clear()


@lru_cache(maxsize=4)
def open_site(plan_file: str) -> BuildSite:
    """Open a plan on this machine, with the real tools."""
    hide_secrets()  # this may be a process that Prefect started
    settings = Settings.from_environment()
    plan = read_plan(Path(plan_file))
    return BuildSite(
        plan=plan,
        settings=settings,
        tools=equipment(settings, plan.servers),
        show=(_boards[0] if _boards else PlainBoard()).unit,
    )


@lru_cache(maxsize=1)
def _room() -> Room:
    """What the builds of this process share."""
    turn = Settings.from_environment().tool_cache / "accelerator.lock"
    return Room(Memory(available_bytes), turn)


def _only_transient(_task: object, _run: object, state: object) -> bool:
    """Retry only what says that the same call may succeed later."""
    error = getattr(state, "data", None)
    error = getattr(error, "result", error)
    return isinstance(error, ServiceError) and error.transient


def _unit(run_name: str) -> Callable[[Callable[Inputs, JsonObject]], Task[Inputs, JsonObject]]:
    """Make a function a task: never cached by Prefect, retried only for transient errors."""
    return task(
        name=run_name.split(" {")[0],
        task_run_name=run_name,
        cache_policy=NO_CACHE,
        retries=_TRIES_AFTER_THE_FIRST,
        retry_delay_seconds=list(_SECONDS_BETWEEN_TRIES),
        retry_condition_fn=_only_transient,
    )


def _guarded(
    plan_file: str, identifier: str, step: str, work: Callable[[BuildSite], JsonObject]
) -> JsonObject:
    """Do one unit's work; keep the reason of a final failure where the report finds it."""
    INTERRUPTION.check(identifier)
    site = open_site(plan_file)
    try:
        done = work(site)
    except InterruptionError:
        raise  # nothing was found out about the unit
    except QuantgateError as error:
        record_error(site, identifier, step, error)
        raise
    except Exception as error:
        unexpected = full_disk(error, site.settings.store.root) or QuantgateError(
            f"unexpected {type(error).__name__}: {error}", where=identifier
        )
        record_error(site, identifier, step, unexpected)
        raise unexpected from error  # whose text holds no secret: Prefect keeps it
    forget_error(site, identifier)  # an earlier try of this very unit may have left one
    return done


def _needed_to_run(site: BuildSite, planned: PlannedVariant) -> Need:
    identity = site.tools.runtimes[planned.recipe.runtime].identity(planned.recipe)
    return needed_to_run(site.plan.checkpoint, identity)


def _needed_to_ask_the_base(site: BuildSite, runtime: str) -> Need:
    """A server's base is compared with the checkpoint here, before the server is started."""
    checkpoint = site.plan.checkpoint
    need = needed_to_run(checkpoint, site.tools.runtimes[runtime].identity(checkpoint.numerics))
    if all(server.name != runtime for server in site.plan.servers):
        return need
    return replace(need, size_bytes=max(need.size_bytes, needed_to_compare(checkpoint).size_bytes))


@_unit("base {runtime}")
def base(plan_file: str, runtime: str) -> JsonObject:
    """See whether the base, as a runtime computes it, is the checkpoint."""

    def work(site: BuildSite) -> JsonObject:
        if any(server.name == runtime for server in site.plan.servers):
            return {
                "runtime": runtime
            }  # seen while its server runs for the reference: it starts once
        with _room().take(needed_to_compare(site.plan.checkpoint)):
            units.refuse_base(site, runtime)
        return {"runtime": runtime}

    return _guarded(plan_file, units.base_in(runtime), "compare", work)


@_unit("reference {runtime}")
def reference(plan_file: str, runtime: str) -> JsonObject:
    """Answer the suite with the base, as often as the policy asks, and see whether anything can pass."""

    def work(site: BuildSite) -> JsonObject:
        with _room().take(_needed_to_ask_the_base(site, runtime)):
            runs = units.run_references(site, runtime)
        units.require_prospects(site, runtime)
        return {"runtime": runtime, "runs": [run.key for run in runs]}

    return _guarded(plan_file, units.base_in(runtime), "reference", work)


@_unit("build {identifier}")
def build(plan_file: str, identifier: str) -> JsonObject:
    """Build one variant, unless the base failed in every runtime that would judge it."""

    def work(site: BuildSite) -> JsonObject:
        planned = site.plan.variant(identifier)
        if is_refused(site.plan, planned, read_errors(site.plan, site.settings)):
            return {"variant": identifier, "key": None, "files": None}
        with _room().take(needed_to_build(site.plan.checkpoint, planned)):
            variant = units.build(site, planned)
        return {"variant": identifier, "key": variant.key, "files": variant.files_digest}

    return _guarded(plan_file, identifier, BUILD, work)


@_unit("audit {identifier}")
def audit(plan_file: str, identifier: str) -> JsonObject:
    """Audit one variant; one that is judged in a server answers too, while that runs."""

    def work(site: BuildSite) -> JsonObject:
        planned = site.plan.variant(identifier)
        served = planned.recipe.runtime in {server.name for server in site.plan.servers}
        with _room().take(_needed_to_run(site, planned)):
            report = (units.audit_and_answer if served else units.audit)(site, planned)
        return {"variant": identifier, "misses": [miss.check for miss in report.misses]}

    return _guarded(plan_file, identifier, "audit", work)


@_unit("answer {identifier}")
def answer(plan_file: str, identifier: str) -> JsonObject:
    """Run the suite on one variant, unless its audit failed."""

    def work(site: BuildSite) -> JsonObject:
        planned = site.plan.variant(identifier)
        if not units.audit(site, planned).passed:
            return {"variant": identifier, "run": None}
        with _room().take(_needed_to_run(site, planned)):
            return {"variant": identifier, "run": units.answer(site, planned).key}

    return _guarded(plan_file, identifier, "answer", work)


@_unit("judge {identifier}")
def judge(plan_file: str, identifier: str) -> JsonObject:
    """Pair one variant with the reference and judge it."""

    def work(site: BuildSite) -> JsonObject:
        judged = evidence(site, site.plan.variant(identifier)).verdict
        return {"variant": identifier, "decision": judged.decision, "reasons": [*judged.reasons]}

    return _guarded(plan_file, identifier, "judge", work)


@_unit("register {identifier}")
def register(plan_file: str, identifier: str) -> JsonObject:
    """Record one judged variant; it becomes a version where it passed."""

    def work(site: BuildSite) -> JsonObject:
        with _registry_turn:
            receipt = outcome.register(site, site.plan.variant(identifier))
        return {"variant": identifier, "run": receipt.run_id, "version": receipt.version}

    return _guarded(plan_file, identifier, REGISTER, work)


@_unit("report")
def report(plan_file: str) -> JsonObject:
    """Write the page and the JSON result."""
    result = outcome.write_report(open_site(plan_file))
    create_table_artifact(
        key="verdicts",
        table=[asdict(row) for row in result.rows],
        description=f"Verdicts of {result.name}",
    )
    return {"page": str(result.page), "exit_code": result.exit_code}
