"""The parent's side of a worker call: start, watch, time out, clean up, translate failures."""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.files.records import from_json, from_json_text, write_record
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.pipelines.process.calls import OnProgress, Progress, Reply, WorkerCall, WorkerReply
from quantgate.pipelines.process.children import CHILDREN, Child
from quantgate.pipelines.process.devices.placement import device_environment
from quantgate.pipelines.process.endings.errors import ChildEnd, error_of_end, rebuilt_error
from quantgate.pipelines.process.endings.shortage import kernels_kills
from quantgate.pipelines.process.endings.watching import HUNG_VARIABLE, ChildWatch, hung_seconds
from quantgate.pipelines.process.forking.client import FORK_SERVERS, ForkedChild
from quantgate.pipelines.process.forking.server import Start
from quantgate.pipelines.process.harness import PROGRESS_FD
from quantgate.pipelines.process.launch import PARENT_PID, launched, python_path

WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}
"""How a worker's threads wait for each other: they look a thousand times (some microseconds), then sleep.

Spinning for as long as OpenMP does by itself costs several times the processor time on busy cores; sleeping
at once costs small models as much on idle ones (docs/benchmarks.md).
"""
_LOOK_EVERY_SECONDS = 0.2


def run_worker(
    call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
) -> WorkerReply[Reply]:
    """Run a worker module in a child process of its own process group; see `RunWorker`."""
    call.log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with temporary_folder() as exchange:
        request_file, reply_file = exchange / "request.json", exchange / "reply.json"
        write_record(request_file, call.request)
        with (
            call.log.open("ab") as log,
            _pipe() as (progress, progress_end),
            CHILDREN.starting(call.module) as alive,
        ):
            written_before = log.tell()
            files = [str(request_file), str(reply_file)]
            kills = kernels_kills()
            child = alive(
                _forked(call, files, log, progress_end) or _started(call, files, log, progress_end)
            )
            progress_end.close()
            peak_bytes = _watch(child, progress.fileno(), call, on_progress)
        if code := child.wait():
            end = ChildEnd(
                code=code,
                peak_bytes=peak_bytes,
                written_before=written_before,
                kernel_killed=kernels_kills() != kills,
            )
            raise error_of_end(end, call)
        reply = _read_reply(reply_file, call)
    if isinstance(reply.get("error"), dict):
        raise rebuilt_error(reply["error"], call)
    peak = reply.get("peak_memory_bytes")
    return WorkerReply(
        value=from_json(reply_type, reply["value"]),
        seconds=time.monotonic() - started,
        peak_memory_bytes=peak if isinstance(peak, int) else 0,
    )


def _forked(
    call: WorkerCall, files: list[str], log: BinaryIO, progress_end: BinaryIO
) -> ForkedChild | None:
    """Have a fork server start the child, where there is one for it."""
    if call.python is not None:
        return None
    with suppress(FileNotFoundError):  # the current folder may be gone
        asked = Start(
            module=call.module,
            arguments=files,
            folder=str(Path.cwd()),
            progress_variable=PROGRESS_FD,
            environment=worker_environment(call.threads),
        )
        return FORK_SERVERS.start(asked, log.fileno(), progress_end.fileno())
    return None


def _started(
    call: WorkerCall, files: list[str], log: BinaryIO, progress_end: BinaryIO
) -> "subprocess.Popen[bytes]":
    """Start the child in an interpreter of its own."""
    return subprocess.Popen(
        [str(call.python or sys.executable), *launched(call.module), *files],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=worker_environment(call.threads) | {PROGRESS_FD: str(progress_end.fileno())},
        pass_fds=(progress_end.fileno(),),
        start_new_session=True,
    )


def worker_environment(threads: int) -> dict[str, str]:
    """Return the environment every worker gets: few threads, `WAITING`, GPUs, no network, no telemetry."""
    count = str(threads)
    return (
        os.environ
        | WAITING
        | {
            "OMP_NUM_THREADS": count,
            # numpy's, which start when it is imported and spin for a tenth of a second
            "OPENBLAS_NUM_THREADS": "1",
            "MKL_NUM_THREADS": count,
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "DO_NOT_TRACK": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": python_path(),
            PARENT_PID: str(os.getpid()),
        }
        | device_environment()
    )


@contextmanager
def _pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Yield a pipe's two ends: the one to read from, and the one that a child writes to."""
    read_end, write_end = os.pipe()
    with (
        os.fdopen(read_end, "rb", buffering=0) as reading,
        os.fdopen(write_end, "wb", buffering=0) as writing,
    ):
        yield reading, writing


def _watch(child: Child, read_end: int, call: WorkerCall, on_progress: OnProgress) -> int:
    """Forward progress until the child closes its end of the pipe and exits; return its peak of memory.

    Raises:
        WorkerError: it takes longer than its call allows, or hangs.
    """
    deadline = time.monotonic() + call.timeout_seconds
    watch = ChildWatch(child.pid, max(hung_seconds(), call.waits_seconds))
    ended, lines = False, _ProgressLines(on_progress)
    with selectors.DefaultSelector() as selector:
        selector.register(read_end, selectors.EVENT_READ)
        while child.poll() is None:
            watch.look()
            if (overdue := _overdue(call, watch, deadline)) is not None:
                raise overdue
            if ended:
                with suppress(subprocess.TimeoutExpired):
                    child.wait(timeout=_LOOK_EVERY_SECONDS)
                continue
            if not selector.select(timeout=_LOOK_EVERY_SECONDS):
                continue
            chunk = os.read(read_end, 65536)
            ended = not chunk
            watch.heard()
            lines.take(chunk)
    # What it said last may tell what it ended over.
    os.set_blocking(read_end, False)
    with suppress(BlockingIOError):  # one that it started has the pipe still
        while chunk := os.read(read_end, 65536):
            lines.take(chunk)
    return watch.peak_bytes


class _ProgressLines:
    """Passes on what stands in whole lines of what a child wrote."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress, self._pending = on_progress, b""

    def take(self, chunk: bytes) -> None:
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        for line in lines:
            self._on_progress(from_json_text(Progress, line))


def _overdue(call: WorkerCall, watch: ChildWatch, deadline: float) -> WorkerError | None:
    """Return what to raise for a child that takes too long, or has done nothing for too long."""
    if time.monotonic() > deadline:
        what, next_step = f"took longer than {call.timeout_seconds:.0f} s and was stopped", None
    elif watch.hangs:
        minutes = watch.silent_seconds / 60
        what = f"hung: for {minutes:.3g} minutes it neither computed nor said anything, and was stopped"
        next_step = f"run the same command again; {HUNG_VARIABLE} says how long to wait"
    else:
        return None
    return WorkerError(what, where=call.module, next_step=next_step, log=call.log)


def _read_reply(reply_file: Path, call: WorkerCall) -> dict[str, JsonValue]:
    try:
        reply: dict[str, JsonValue] = json.loads(reply_file.read_bytes())
    except (OSError, ValueError) as error:
        raise WorkerError("ended without a reply", where=call.module, log=call.log) from error
    return reply
