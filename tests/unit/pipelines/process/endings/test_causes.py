"""How a child ended: what a process brings upon itself is told from what a machine or a person does to it."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.references import run_references
from quantgate.pipelines.domain.errors import (
    ChildAbortError,
    ChildCrashError,
    QuantgateError,
    ToolchainError,
    WorkerError,
)
from quantgate.pipelines.engines.requests import ProbeReport, ProbeRequest
from quantgate.pipelines.files.sealed import is_sealed
from quantgate.pipelines.process.calls import (
    OnProgress,
    Reply,
    RunWorker,
    WorkerCall,
    WorkerReply,
    ignore_progress,
)
from quantgate.pipelines.process.endings.causes import (
    brought_upon_itself,
    killed_by,
    run_confirmed,
    signal_of,
)
from quantgate.pipelines.process.endings.shortage import (
    machine_trouble,
    out_of_memory,
    out_of_room,
)
from quantgate.pipelines.process.runner import run_worker
from tests.support.builds.faked import faked_build
from tests.support.builds.walking import audited
from tests.support.children.worker_calls import call
from tests.support.children.workers import Done
from tests.support.fakes import FakeBackend, FakeRuntime
from tests.support.limits.memory import enter, memory_group
from tests.support.project import PROJECT

ITS_OWN = {signal.SIGABRT, signal.SIGSEGV, signal.SIGFPE}
HARMLESS = {
    signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH, signal.SIGSTOP, signal.SIGTSTP,
    signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT,
}  # fmt: skip
"""Signals that end nothing, or that Python turns into exceptions."""
ENDING = sorted(set(signal.Signals) - HARMLESS - {signal.SIGRTMIN, signal.SIGRTMAX})


def test_three_signals_are_a_processs_own_and_no_others() -> None:
    assert {sign for sign in signal.Signals if brought_upon_itself(sign)} == ITS_OWN


@pytest.mark.parametrize("sign", ENDING, ids=lambda sign: sign.name)
def test_every_other_signal_is_an_error_and_no_crash_of_the_child(
    sign: signal.Signals, tmp_path: Path
) -> None:
    with pytest.raises(WorkerError, match=f"was killed by {sign.name}") as caught:
        run_worker(call(tmp_path, f"half then {sign.name}"), Done, ignore_progress)
    assert type(caught.value) is (ChildAbortError if sign in ITS_OWN else WorkerError)
    if sign not in ITS_OWN:
        assert caught.value.next_step and "run the same command again" in caught.value.next_step


def test_exit_codes_of_shells_are_signals_too() -> None:
    assert (signal_of(-9), signal_of(137), signal_of(143)) == (9, 9, 15)
    assert signal_of(0) is signal_of(1) is signal_of(127) is signal_of(255) is None
    assert signal_of(-40) == 40, "a real-time signal has no name and is none of its own"
    assert not brought_upon_itself(40)
    assert killed_by(40) == "was killed by signal 40"
    assert killed_by(signal.SIGKILL) == "was killed by SIGKILL (often: out of memory)"


LIMITED = """
import os, resource, sys
from pathlib import Path
from quantgate.pipelines.process.calls import WorkerCall, ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.children.workers import Done, Order
limit, most, folder = getattr(resource, sys.argv[1]), int(sys.argv[2]), Path(sys.argv[4])
resource.setrlimit(limit, (most, most))
order = Order(act=sys.argv[3], path=folder / "trace")
call = WorkerCall(module="tests.support.children.workers", request=order, log=folder / "log", threads=1)
try:
    run_worker(call, Done, ignore_progress)
except Exception as error:
    print(type(error).__name__, error.what)
"""


@pytest.mark.parametrize(
    ("limit", "most", "act", "told"),
    [
        ("RLIMIT_CPU", 2, "compute", "WorkerError was killed by SIG"),
        ("RLIMIT_FSIZE", 65536, "write", "ToolchainError the disk is full (File too large)"),
        ("RLIMIT_AS", 600 << 20, "take memory", "ToolchainError ran out of memory: MemoryError"),
    ],
)
def test_limits_of_this_machine_are_no_crash_of_the_child(
    limit: str, most: int, act: str, told: str, tmp_path: Path
) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", LIMITED, limit, str(most), act, str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.stdout.startswith(told), finished


def test_a_full_disk_is_told_with_the_place_that_the_words_name() -> None:
    """As of a child whose reply finds no room: it can say so in its log alone."""
    words = "OSError: [Errno 28] No space left on device: '/tmp/x/content'"
    for full in (out_of_room(words), machine_trouble(words)):
        assert full is not None
        assert (full.exit_code, full.where) == (4, "/tmp/x/content")
    assert out_of_room("OSError: [Errno 30] Read-only file system: '/a'") is None


def test_the_memory_that_a_child_was_seen_with_is_told_where_it_had_begun() -> None:
    told = out_of_memory("MemoryError: ", 740_000_000).what
    assert told == "ran out of memory: MemoryError (it held 0.7 GB or more)"
    assert out_of_memory("MemoryError", 20_000_000).what == "ran out of memory: MemoryError"


def test_a_child_that_the_kernel_kills_for_memory_is_told_with_what_it_held(tmp_path: Path) -> None:
    with memory_group(200 << 20) as group:
        if group is None:
            pytest.skip("no control group can be made here")
        finished = subprocess.run(
            [sys.executable, "-c", LIMITED, "RLIMIT_CORE", "0", "fill memory", str(tmp_path)],
            cwd=PROJECT,
            preexec_fn=lambda: enter(group, os.getpid()),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    told = (
        r"ToolchainError ran out of memory: the kernel killed it( \(it held 0\.\d GB or more\))?\n"
    )
    assert re.fullmatch(told, finished.stdout), finished


@pytest.mark.parametrize(
    "words",
    [
        "ggml_aligned_malloc: insufficient memory (attempted to allocate 9000.00 MB)",
        "decode: could not reserve space for batch with 1 outputs",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "memory allocation of 262144 bytes failed",
        "OSError: [Errno 5] Input/output error",
        "OSError: [Errno 116] Stale file handle",
        "PermissionError: [Errno 13] Permission denied: '/store/model.gguf'",
        "gguf_init_from_file: failed to open GGUF file 'm.gguf' (Too many open files)",
        "RuntimeError: CUDA error: uncorrectable ECC error encountered",
        "RuntimeError: CUDA driver initialization failed, you might not have a CUDA gpu.",
        "libgomp: Thread creation failed: Resource temporarily unavailable",
        "ggml-cpu.c:3140: GGML_ASSERT(rc == 0) failed",
        "ModuleNotFoundError: No module named 'mistral_common'",
        "TimeoutError: timed out",
    ],
)
def test_a_machines_trouble_is_known_by_its_words(words: str) -> None:
    assert isinstance(machine_trouble(words), ToolchainError)


@pytest.mark.parametrize(
    "words",
    [
        "error loading model: tensor 'blk.0.attn_q.weight' data is not within the file bounds",
        "GGML_ASSERT(n_dims > 0) failed",
        "KeyError: 'model.layers.0.self_attn.q_proj.weight'",
        "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge",
        "ValueError: hidden_size must be divisible by num_heads",
    ],
)
def test_what_a_file_does_is_not_taken_for_a_machines_trouble(words: str) -> None:
    assert machine_trouble(words) is None


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        ("say then SIGABRT: fork: Resource temporarily unavailable", WorkerError),
        ("say then SIGABRT: terminate called after throwing 'std::bad_alloc'", ToolchainError),
        ("say then SIGABRT: GGML_ASSERT(n_dims > 0) failed", ChildAbortError),
        ("raise: Input/output error", WorkerError),
        ("raise: tensor is of another shape", ChildCrashError),
    ],
)
def test_last_words_tell_a_machines_trouble_from_a_crash(
    act: str, kind: type[QuantgateError], tmp_path: Path
) -> None:
    with pytest.raises(QuantgateError) as caught:
        run_worker(call(tmp_path, act), Done, ignore_progress)
    assert type(caught.value) is kind


def test_chatter_after_an_exception_does_not_hide_it(tmp_path: Path) -> None:
    with pytest.raises(ChildCrashError, match="exit code 1: OSError: tensor is cut"):
        run_worker(call(tmp_path, "raise and chat: tensor is cut"), Done, ignore_progress)


@dataclass
class Endings:
    """A `RunWorker` whose calls end as listed; None: well."""

    each: list[QuantgateError | None]

    def __call__(
        self, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        if ending := self.each.pop(0):
            raise ending
        value = Done(text="well")
        assert isinstance(value, reply_type)
        return WorkerReply(value=value, seconds=1.0, peak_memory_bytes=1)


CRASH, ABORT = ChildCrashError("raised"), ChildAbortError("was killed by SIGSEGV")
KILLED = WorkerError("was killed by SIGKILL (often: out of memory)")


@pytest.mark.parametrize("first", [CRASH, ABORT])
def test_a_crash_counts_only_when_it_comes_again(first: QuantgateError, tmp_path: Path) -> None:
    asked = call(tmp_path, "work")
    endings = Endings([first, None])
    assert run_confirmed(endings, asked, Done, ignore_progress) == Done(text="well")
    with pytest.raises(ChildCrashError):
        run_confirmed(Endings([first, first]), asked, Done, ignore_progress)
    with pytest.raises(WorkerError) as caught:
        run_confirmed(Endings([first, KILLED]), asked, Done, ignore_progress)
    assert type(caught.value) is WorkerError


def test_what_is_no_crash_is_not_tried_again(tmp_path: Path) -> None:
    endings = Endings([KILLED])
    with pytest.raises(WorkerError):
        run_confirmed(endings, call(tmp_path, "work"), Done, ignore_progress)
    assert endings.each == []


@dataclass
class Exhausted(FakeRuntime):
    """Loads nothing any more once `full` is set, its own base neither."""

    full: bool = False
    probed: list[str] = field(default_factory=list)

    def probe(
        self, request: ProbeRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> ProbeReport:
        self.probed.append("a variant" if request.loadable.format else "the base")
        report = super().probe(request, run_worker, on_progress)
        return replace(report, loads=report.loads and not self.full)


def test_a_file_is_not_blamed_where_its_base_does_not_load_any_more_either(tmp_path: Path) -> None:
    runtime = Exhausted()
    here = faked_build(tmp_path, FakeBackend(), runtime)
    planned = here.plan.variants[0]
    run_references(here, "llamacpp")
    units.build_files(here, planned)
    runtime.full = True
    with pytest.raises(WorkerError, match="neither this file nor its base loads"):
        audited(here, planned)
    audits = (here.settings.store.root / "audits").iterdir()
    assert all("base" in folder.name for folder in audits if is_sealed(folder))
    runtime.full = False
    assert audited(here, planned).passed, "the same command, tried again"


def test_a_file_that_does_not_load_beside_a_base_that_does_is_a_finding(tmp_path: Path) -> None:
    runtime = Exhausted(probe_detail="when loading it, the engine was killed by SIGABRT")
    here = faked_build(tmp_path, FakeBackend(), runtime)
    planned = here.plan.variants[0]
    units.build_files(here, planned)
    assert not audited(here, planned).passed
    assert runtime.probed == ["the base", "a variant", "the base"]
