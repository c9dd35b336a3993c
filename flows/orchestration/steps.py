"""What tasks do: one call of a unit each. Nothing here knows Prefect.

These are functions of a module, and what they share stays in it: so a task that another process runs is sent
by its name, with two texts, and opens the plan there.
"""

import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, lru_cache, partial
from pathlib import Path

from quantgate.flows.build import registering, units
from quantgate.flows.build.bases import refuse_base
from quantgate.flows.build.errors import failures_kept, guarded, is_refused, read_errors
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan_files import read_plan
from quantgate.flows.build.references import require_prospects, run_reference, run_references
from quantgate.flows.build.resources import needs
from quantgate.flows.build.resources.devices import Accelerators
from quantgate.flows.build.resources.host import HostMemory
from quantgate.flows.build.resources.machine import Machine, Memory
from quantgate.flows.build.results.unit_error import BUILD, REGISTER
from quantgate.flows.build.scaling.chains import EVERYTHING_WAITS, REPEATS_COME_FIRST, Chains, Step
from quantgate.flows.build.sharing.opening import attach_shared_store
from quantgate.flows.build.sources import refuse_unlike_source
from quantgate.flows.build.stopping import hopeless
from quantgate.flows.build.timing.speeds import speed_of, time_beside_base
from quantgate.flows.build.verdicts import evidence
from quantgate.flows.progress.board import Board
from quantgate.flows.progress.elsewhere import SilentBoard, file_of_this_process
from quantgate.flows.progress.recorded import RecordedBoard
from quantgate.flows.progress.tracing import SpanSender, TracedBoard
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.audit.bench.bench import base_in
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.sealed_values import required
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.devices.engines import chosen_devices
from quantgate.pipelines.process.memory import available_bytes
from quantgate.pipelines.process.secrecy import hide_secrets
from quantgate.pipelines.variants.variant import PlannedVariant
from quantgate.registry.opening import import_ahead

_boards: list[Board] = []
"""The board of the command that runs this process, if any."""


def begin_anew(board: Board) -> None:
    """Show the units of this process on `board`, and take nothing from a build that it ran before.

    A process that follows releases runs many; what one found out may hold no longer (a waiver may have
    expired, the registry may have lost a version).
    """
    _boards[:] = [board]
    _opened.cache_clear()


def open_build(plan_file: str) -> LocalBuild:
    """Open a plan on this machine, with the real tools; its store is the one that the plan lies in."""
    return _opened(plan_file, Path(plan_file).stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _opened(plan_file: str, written_at: int) -> LocalBuild:  # noqa: ARG001 - a worker outlives builds
    hide_secrets()  # this may be a process that Prefect started
    file = Path(plan_file)
    settings = replace(Settings.from_environment(), store=Store(root=file.absolute().parents[2]))
    plan = read_plan(file)
    board = _boards[0] if _boards else _board_of_a_worker(file)
    attach_shared_store(settings, board.say)
    return LocalBuild(
        plan=plan, settings=settings, tools=wire(settings, plan.servers), show=board.unit
    )


def _board_of_a_worker(plan_file: Path) -> Board:
    """Return where a process that no command runs writes down how far its units are."""
    build = plan_file.parent
    board: Board = RecordedBoard(SilentBoard(), file_of_this_process(build), build=build)
    sender = SpanSender.of(board.say)
    return TracedBoard(board, sender, plan_file) if sender else board


@lru_cache(maxsize=1)
def _machine() -> Machine:
    """What the builds of this process share."""
    settings = Settings.from_environment()
    memory = Memory(
        lambda: min(available_bytes(), settings.memory_bytes), side_by_side=settings.workers
    )
    cache, disk = settings.tool_cache, partial(_free_bytes, settings.store.root)
    alone = bool(_boards)
    return Machine(
        memory=memory,
        disk=Memory(disk, side_by_side=settings.workers),
        accelerators=Accelerators(
            cache / "accelerators" / socket.gethostname(), chosen_devices().uuids
        ),
        memory_of_all=None
        if alone
        else HostMemory(cache / "memory", lambda: settings.memory_bytes),
        disk_of_all=None
        if alone
        else HostMemory(cache / "disk" / _disk_of(settings.store.root), disk),
    )


def _disk_of(folder: Path) -> str:
    """Name the disk that a folder is on, or will be: builds on other disks share no account of it."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return str(there.stat().st_dev)


def _free_bytes(folder: Path) -> int:
    """Return what is free on a folder's disk; how much there is of one that tells nothing is not asked."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return sys.maxsize


def _rank(plan_file: str, planned: PlannedVariant, step: Step) -> float:
    return _chains(plan_file, Path(plan_file).stat().st_mtime_ns).seconds_left(planned, step)


@lru_cache(maxsize=4)
def _chains(plan_file: str, written_at: int) -> Chains:  # noqa: ARG001 - a worker outlives builds
    return Chains.of(open_build(plan_file).settings.store)


@contextmanager
def _unit(plan_file: str, identifier: str, step: str) -> Iterator[LocalBuild]:
    """Open the build that a unit belongs to, for the time in which the unit is done."""
    build = open_build(plan_file)
    with guarded(build, identifier, step):
        yield build


def base(plan_file: str, runtime: str) -> JsonObject:
    """See whether the base, as a runtime computes it, is the checkpoint, and this the GGUF it was made of.

    A server's base is seen while its server runs for the reference: so it starts once.
    """
    with _unit(plan_file, base_in(runtime), "compare") as build:
        checkpoint = build.plan.checkpoint
        if checkpoint.origin is not None:
            with _machine().hold(needs.to_compare(build, runtime), EVERYTHING_WAITS):
                refuse_unlike_source(build)
        if runtime not in build.plan.served:
            with _machine().hold(needs.to_compare(build, runtime), EVERYTHING_WAITS):
                refuse_base(build, runtime)
        return {"runtime": runtime}


def ask(plan_file: str, runtime: str, number: int) -> JsonObject:
    """Answer the suite with the base once, unless its first run shows already that nothing can pass.

    The unit `reference` waits for all of them, and forgets what went wrong where another try did not fail.
    """
    build = open_build(plan_file)
    with failures_kept(build, base_in(runtime), "reference"):
        rank = EVERYTHING_WAITS if number == 1 else REPEATS_COME_FIRST
        with _machine().hold(needs.to_ask_the_base(build, runtime), rank):
            asked = run_reference(build, runtime, number)
        if _boards and asked and not hopeless(build.plan, (asked,)):
            _registry_ahead()  # a core idles where runs of the base are odd in number
        return {"runtime": runtime, "run": asked.key if asked else None}


@cache
def _registry_ahead() -> None:
    """Import MLflow once a process, before verdicts wait for it; every variant that is judged is recorded."""
    import_ahead()


def reference(plan_file: str, runtime: str) -> JsonObject:
    """Answer the suite with the base, as often as the policy asks, and see whether anything can pass."""
    with _unit(plan_file, base_in(runtime), "reference") as build:
        with _machine().hold(needs.to_ask_the_base(build, runtime), EVERYTHING_WAITS):
            runs = run_references(build, runtime)
        require_prospects(build, runtime, runs)
        return {"runtime": runtime, "runs": [run.key for run in runs]}


def build(plan_file: str, identifier: str) -> JsonObject:
    """Build one variant, unless the base failed in every runtime that would judge it."""
    with _unit(plan_file, identifier, BUILD) as build:
        planned = build.plan.variant(identifier)
        if is_refused(build.plan, planned, read_errors(build.plan, build.settings)):
            return {"variant": identifier, "key": None, "files": None}
        with _machine().hold(needs.to_build(build, planned), _rank(plan_file, planned, "build")):
            variant = units.build_files(build, planned)
        return {"variant": identifier, "key": variant.key, "files": variant.files_digest}


def audit(plan_file: str, identifier: str) -> JsonObject:
    """Audit one variant; one that is judged in a server answers too, while that runs."""
    with _unit(plan_file, identifier, "audit") as build:
        planned = build.plan.variant(identifier)
        work = (
            units.audit_and_answer if planned.recipe.runtime in build.plan.served else units.audit
        )
        with _machine().hold(needs.to_audit(build, planned), _rank(plan_file, planned, "audit")):
            report = work(build, planned)
        return {"variant": identifier, "misses": [miss.check for miss in report.misses]}


def answer(plan_file: str, identifier: str) -> JsonObject:
    """Run the suite on one variant, unless its audit failed."""
    with _unit(plan_file, identifier, "answer") as build:
        planned = build.plan.variant(identifier)
        if not required(units.sealed_audit(build, planned)).passed:
            return {"variant": identifier, "run": None}
        with _machine().hold(needs.to_answer(build, planned), _rank(plan_file, planned, "answer")):
            return {"variant": identifier, "run": units.answer(build, planned).key}


def judge(plan_file: str, identifier: str) -> JsonObject:
    """Pair one variant with the reference and judge it."""
    with _unit(plan_file, identifier, "judge") as build:
        verdict = evidence(build, build.plan.variant(identifier)).verdict
        return {"variant": identifier, "decision": verdict.decision, "reasons": [*verdict.reasons]}


def time_variant(plan_file: str, identifier: str) -> JsonObject:
    """Time one variant beside its base, with the machine to itself."""
    with _unit(plan_file, speed_of(identifier), "time") as build:
        planned = build.plan.variant(identifier)
        with _machine().hold(needs.to_time(build, planned)):
            record = time_beside_base(build, planned)
        return {"variant": identifier, "reason": record.reason}


def register(plan_file: str, identifier: str) -> JsonObject:
    """Record one judged variant; it becomes a version where it passed."""
    with (
        _unit(plan_file, identifier, REGISTER) as build,
        # MLflow's first making of tables does not like company.
        exclusive(build.settings.store.root / "registering.lock"),
    ):
        receipt = registering.register(build, build.plan.variant(identifier))
        return {"variant": identifier, "run": receipt.run_id, "version": receipt.version}
