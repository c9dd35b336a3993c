"""An interruption is never a finding: whatever it stops is done again, and is judged as if never stopped."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.errors import read_errors
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.references import run_references
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import InterruptionError
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.domain.verdicts.verdict import Verdict
from quantgate.pipelines.engines.backend import BuildRequest, Built
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.engines.divergence.rulers import RulersRequest
from quantgate.pipelines.engines.requests import (
    AnswerRequest,
    DivergenceRequest,
    Loadable,
    ProbeReport,
    ProbeRequest,
)
from quantgate.pipelines.files.interruption import Interruption
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import is_sealed
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.process.children import Children
from quantgate.pipelines.process.launch import NOT_STARTED, bound, parent_here
from tests.support.builds.faked import faked_build
from tests.support.builds.walking import judged
from tests.support.children.worker_calls import gone, wait_for
from tests.support.fakes import FakeBackend, FakeRuntime, fake_rulers
from tests.support.project import PROJECT

POINTS = (
    "reference",
    "probe the base",
    "answer with the base",
    "answer with the base again",
    "build",
    "probe",
    "contents",
    "rulers",
    "divergence",
    "answer",
)
"""Every call of a tool on a build's road, in the order they come."""


@dataclass
class Switch:
    """Interrupts at the n-th time that a point is reached; `reached` counts them."""

    point: str = ""
    reached: list[str] = field(default_factory=list)

    def pass_by(self, point: str) -> None:
        self.reached.append(point)
        if point == self.point:
            self.point = ""
            raise InterruptionError("was interrupted: the program is ending")


@dataclass
class InterruptibleBackend(FakeBackend):
    """Writes half a file where it is interrupted."""

    switch: Switch = field(default_factory=Switch)

    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        (request.output / "half").write_text("half")
        self.switch.pass_by("build")
        (request.output / "half").unlink()
        return super().build(request, run_worker, on_progress)


@dataclass
class InterruptibleRuntime(FakeRuntime):
    """A runtime each of whose calls may be interrupted; answering leaves what it answered so far."""

    switch: Switch = field(default_factory=Switch)

    def reference(
        self, checkpoint: Checkpoint, scratch: Path, run_worker: RunWorker, on_progress: OnProgress
    ) -> Loadable:
        self.switch.pass_by("reference")
        return super().reference(checkpoint, scratch, run_worker, on_progress)

    def probe(
        self, request: ProbeRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> ProbeReport:
        self.switch.pass_by("probe" if request.loadable.format else "probe the base")
        return super().probe(request, run_worker, on_progress)

    def contents(self, loadable: Loadable) -> Contents:
        if loadable.format:
            self.switch.pass_by("contents")
        return super().contents(loadable)

    def divergence(
        self, request: DivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> Divergence:
        self.switch.pass_by("divergence")
        return super().divergence(request, run_worker, on_progress)

    def answer(
        self, request: AnswerRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        of_the_base = not request.loadable.format
        again = " again" if of_the_base and "answer with the base" in self.switch.reached else ""
        point = "answer with the base" + again if of_the_base else "answer"
        few = request.prompts.with_name("few")
        few.write_text("".join(request.prompts.read_text().splitlines(keepends=True)[:7]))
        super().answer(replace(request, prompts=few), run_worker, on_progress)
        self.switch.pass_by(point)
        super().answer(request, run_worker, on_progress)


def interruptible(folder: Path, switch: Switch) -> LocalBuild:
    wrong = {"Q2_K": {f"i{n}" for n in range(13)}}
    here = faked_build(
        folder,
        InterruptibleBackend(switch=switch),
        InterruptibleRuntime(switch=switch, wrong=wrong),
    )

    def rulers(
        request: RulersRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> tuple[Divergence, ...]:
        switch.pass_by("rulers")
        return fake_rulers(request, run_worker, on_progress)

    return replace(here, tools=replace(here.tools, measure_rulers=rulers))


def verdicts(here: LocalBuild) -> list[object]:
    """Walk the whole road; a verdict without the keys and times that differ from store to store."""
    found: list[Verdict] = []
    for planned in here.plan.variants:
        run_references(here, planned.recipe.runtime)
        units.build_files(here, planned)
        found.append(judged(here, planned).verdict)
    return [to_json((one.decision, one.reasons, one.whole, one.items)) for one in found]


@pytest.mark.parametrize("point", POINTS)
def test_interrupted_at_any_point_the_same_build_ends_with_the_same_verdicts(
    point: str, tmp_path: Path
) -> None:
    expected = verdicts(interruptible(tmp_path / "undisturbed", Switch()))
    switch = Switch(point=point)
    with pytest.raises(InterruptionError):
        verdicts(interruptible(tmp_path / "store", switch))
    assert switch.reached[-1] == point
    here = interruptible(tmp_path / "store", switch)
    assert read_errors(here.plan, here.settings) == ()
    assert not list(here.settings.store.root.rglob("*.staging-*"))
    assert verdicts(here) == expected


def test_nothing_is_sealed_of_an_interrupted_audit(tmp_path: Path) -> None:
    switch = Switch(point="probe")
    with pytest.raises(InterruptionError):
        verdicts(interruptible(tmp_path, switch))
    audits = [folder for folder in (tmp_path / "store" / "audits").iterdir() if is_sealed(folder)]
    assert audits and all("base" in folder.name for folder in audits), "the base's alone"


def test_a_child_that_ends_while_the_program_does_has_no_result(tmp_path: Path) -> None:
    children = Children(Interruption())
    with (
        pytest.raises(InterruptionError),
        children.starting("x") as alive,
    ):
        alive(subprocess.Popen(["true"], start_new_session=True)).wait()
        children.interruption.begin()


def test_all_children_are_ended_at_once_and_no_new_one_starts(tmp_path: Path) -> None:
    children = Children(Interruption())
    alive = threading.Barrier(4)
    ended: list[str] = []

    def work() -> None:
        try:
            with children.starting("x") as living:
                child = living(subprocess.Popen(["sleep", "60"], start_new_session=True))
                alive.wait()
                child.wait()
        except InterruptionError:
            ended.append("interrupted")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    alive.wait()
    started = time.monotonic()
    children.end_all()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 2
    assert ended == ["interrupted"] * 3
    with pytest.raises(InterruptionError), children.starting("x"):
        pytest.fail("it cannot have started")


def test_a_signal_that_cuts_in_while_a_child_is_looked_at_ends_it_all_the_same() -> None:
    children = Children(Interruption())
    with pytest.raises(InterruptionError), children.starting("x") as living:
        child = living(subprocess.Popen(["sleep", "60"], start_new_session=True))
        with child._waitpid_lock:  # type: ignore[attr-defined]  # what `poll` holds as the handler comes
            children.end_all()
    assert child.wait() in (-signal.SIGTERM, -signal.SIGKILL)


def test_who_waits_for_a_lock_stops_waiting(tmp_path: Path) -> None:
    interruption = Interruption()
    with (
        exclusive(tmp_path / "lock"),
        pytest.raises(InterruptionError, match="lock"),
        exclusive(tmp_path / "lock", on_wait=interruption.begin, interruption=interruption),
    ):
        pytest.fail("two hold it")


PROGRAM = """
import sys
from pathlib import Path
from quantgate.pipelines.domain.errors import InterruptionError
from quantgate.pipelines.process.signals import Ending, children_end_first
from tests.support.children.worker_calls import call
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.children.workers import Done
try:
    with children_end_first():
        run_worker(call(Path(sys.argv[1]), "sleep"), Done, ignore_progress)
except Ending as ending:
    sys.exit(ending.exit_code)
"""


def started(tmp_path: Path, before: Callable[[], None] | None = None) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=PROJECT, preexec_fn=before
    )


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_the_children_and_then_the_program(
    name: str, code: int, tmp_path: Path
) -> None:
    program = started(tmp_path)
    worker = wait_for(tmp_path / "trace")
    program.send_signal(getattr(signal, name))
    assert program.wait(timeout=10) == code
    assert gone(worker)


def ignore_hang_ups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def test_a_hang_up_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    program = started(tmp_path, ignore_hang_ups)
    wait_for(tmp_path / "trace")
    program.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert program.poll() is None
    program.terminate()
    assert program.wait(timeout=10) == 143


SLOW_TO_IMPORT = """
import os, sys, time
from pathlib import Path
Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(60)
"""


def test_a_child_dies_with_its_parent_while_it_still_imports(tmp_path: Path) -> None:
    (tmp_path / "slow_to_import.py").write_text(SLOW_TO_IMPORT)
    program = (
        "import os, subprocess, sys\n"
        "from quantgate.pipelines.process.launch import PARENT_PID, launched\n"
        "environment = os.environ | {PARENT_PID: str(os.getpid())}\n"
        "command = [sys.executable, *launched('slow_to_import'), sys.argv[1]]\n"
        "subprocess.run(command, env=environment)\n"
    )
    path = os.pathsep.join((str(PROJECT), str(tmp_path)))
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "trace")],
        env=os.environ | {"PYTHONPATH": path},
    )
    child = wait_for(tmp_path / "trace")
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 2
    while not gone(child):
        assert time.monotonic() < deadline, "it outlived its parent"
        time.sleep(0.01)


def test_a_child_whose_parent_is_gone_before_it_starts_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "slow_to_import.py").write_text(SLOW_TO_IMPORT)
    path = os.pathsep.join((str(PROJECT), str(tmp_path)))
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "quantgate.pipelines.process.launch",
            "slow_to_import",
            str(tmp_path / "trace"),
        ],
        env=os.environ | {"PYTHONPATH": path, "QUANTGATE_PARENT_PID": "1"},
        timeout=20,
        check=False,
    )
    assert finished.returncode != 0
    assert not (tmp_path / "trace").exists()


def test_another_program_is_bound_to_its_parent_too(tmp_path: Path) -> None:
    program = (
        "import os, subprocess, sys\n"
        "from quantgate.pipelines.process.launch import bound, parent_here\n"
        "command = [sys.executable, *bound(['sh', '-c', f'echo $$ > {sys.argv[1]}; exec sleep 60'])]\n"
        "subprocess.run(command, env=os.environ | parent_here())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "trace")], cwd=PROJECT)
    child = wait_for(tmp_path / "trace")
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 2
    while not gone(child):
        assert time.monotonic() < deadline, "it outlived its parent"
        time.sleep(0.01)


def test_a_program_that_is_not_there_says_so() -> None:
    finished = subprocess.run(
        [sys.executable, *bound(["/no/such/program"])],
        cwd=PROJECT,
        env=os.environ | parent_here(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == NOT_STARTED
    assert finished.stderr.strip() == (
        "/no/such/program cannot be started: No such file or directory"
    )
