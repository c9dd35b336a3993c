"""What is left of a build whose child process dies: one clear error, its log, and a clean store."""

import errno
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.local_build import LocalBuild
from quantgate.pipelines.domain.errors import (
    ChildAbortError,
    ChildCrashError,
    InputError,
    InterruptionError,
    QuantgateError,
    ToolchainError,
    WorkerError,
)
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.engines.backend import BuildRequest, Built
from quantgate.pipelines.files.disk.full import full_disk
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall
from tests.support.builds.faked import faked_build
from tests.support.builds.walking import judged
from tests.support.children.workers import Done, Order
from tests.support.fakes import FakeBackend, FakeRuntime


@dataclass
class Dying(FakeBackend):
    """Builds Q2_K in a real child that writes half a file and then does `act`."""

    act: str = ""

    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        if request.recipe.name == "Q2_K" and self.act:
            order = Order(act=self.act, path=request.output / "model.gguf")
            call = WorkerCall(
                module="tests.support.children.workers", request=order, log=request.log, threads=1
            )
            run_worker(call, Done, on_progress)
        return super().build(request, run_worker, on_progress)


def staged(here: LocalBuild) -> list[Path]:
    return list(here.settings.store.root.rglob("*.staging-*"))


@pytest.mark.parametrize(
    ("act", "kind", "words", "exit_code"),
    [
        ("half then SIGABRT", ChildAbortError, "was killed by SIGABRT", 5),
        ("half then SIGBUS", WorkerError, "was killed by SIGBUS (a file was cut", 5),
        ("half then SIGKILL", WorkerError, "SIGKILL (often: out of memory)", 5),
        ("half then SIGTERM", WorkerError, "was killed by SIGTERM", 5),
        ("no memory", ToolchainError, "ran out of memory: MemoryError", 4),
        ("no module", WorkerError, "ModuleNotFoundError: No module named", 5),
        ("full disk", ToolchainError, "the disk is full (File too large)", 4),
        ("crash", ChildCrashError, "exit code 1: ZeroDivisionError", 5),
    ],
)
def test_a_dead_child_is_one_clear_error_and_the_others_are_built_and_judged(
    tmp_path: Path, act: str, kind: type[QuantgateError], words: str, exit_code: int
) -> None:
    backend = Dying(act=act)
    here = faked_build(tmp_path, backend, FakeRuntime())
    works, dies = here.plan.variants
    with pytest.raises(QuantgateError) as caught:
        units.build_files(here, dies)
    assert type(caught.value) is kind
    assert words in caught.value.what
    assert caught.value.exit_code == exit_code
    assert caught.value.log and caught.value.log.is_file()
    assert staged(here) == []
    assert not dies.built(here.settings.store)
    units.build_files(here, works)
    assert judged(here, works).verdict.decision is Decision.PASS
    backend.act = ""
    units.build_files(here, dies)
    assert judged(here, dies).verdict.decision is Decision.PASS, "the same command, tried again"


def test_what_a_killed_builder_left_is_gone_after_the_next_build(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    planned = here.plan.variants[0]
    folder = planned.folder(here.settings.store)
    left = folder.parent / f".{folder.name}.staging-0badcafe"
    left.mkdir(parents=True)
    (left / "half").write_text("half")
    units.build_files(here, planned)
    assert staged(here) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_while_sealing_is_a_toolchain_error(tmp_path: Path, number: int) -> None:
    def produce(staging: Path) -> Done:
        (staging / "half").write_text("half")
        raise OSError(number, "No space left on device")

    with pytest.raises(ToolchainError, match="the disk is full") as caught:
        produce_once(tmp_path / "sealed", Done, produce)
    assert caught.value.next_step and "QUANTGATE_STORE" in caught.value.next_step
    assert [path.name for path in tmp_path.iterdir()] == [".sealed.lock"]


def test_a_tool_that_failed_on_a_full_disk_is_not_blamed(tmp_path: Path) -> None:
    crash = WorkerError("llama.cpp wrote half a file", log=tmp_path / "log")
    found = full_disk(crash, tmp_path, free=lambda _: 4096)
    assert found is not None and found.log == tmp_path / "log"
    assert "llama.cpp wrote half a file" in found.what
    assert full_disk(crash, tmp_path, free=lambda _: 10**9) is None


@pytest.mark.parametrize(
    "error",
    [
        ToolchainError("no compiler"),
        InterruptionError("was interrupted"),
        ValueError("a bug"),
        OSError(errno.EACCES, "denied"),
    ],
)
def test_other_failures_are_not_taken_for_a_full_disk(tmp_path: Path, error: Exception) -> None:
    assert full_disk(error, tmp_path, free=lambda _: 0) is None


def test_bad_input_on_a_healthy_disk_stays_bad_input(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    unknown = replace(here.plan.variants[0], identifier="demo--other")
    with pytest.raises(InputError, match="missing"):
        here.open(unknown)
