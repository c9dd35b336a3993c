"""The parent's side of a worker call: start, watch, time out, clean up, translate failures."""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from quantgate.pipelines.domain import errors
from quantgate.pipelines.domain.errors import (
    ChildAbortError,
    ChildCrashError,
    InputError,
    QuantgateError,
    ServiceError,
    ToolchainError,
    WorkerError,
)
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.files.records import from_json, write_record
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.pipelines.process.calls import OnProgress, Progress, Reply, WorkerCall, WorkerReply
from quantgate.pipelines.process.children import CHILDREN, Child
from quantgate.pipelines.process.devices.placement import device_environment
from quantgate.pipelines.process.endings import brought_upon_itself, killed_by, signal_of
from quantgate.pipelines.process.forking.client import FORK_SERVERS, ForkedChild
from quantgate.pipelines.process.forking.server import Start
from quantgate.pipelines.process.harness import PROGRESS_FD
from quantgate.pipelines.process.last_words import last_words
from quantgate.pipelines.process.launch import PARENT_PID, launched, python_path
from quantgate.pipelines.process.shortage import (
    NEXT_STEP,
    is_an_exception,
    of_the_environment,
    short_of_memory,
)

WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}
"""How a worker's threads wait for each other: they look a thousand times (some microseconds), then sleep.

Spinning for as long as OpenMP does by itself costs several times the processor time on busy cores; sleeping
at once costs small models as much on idle ones (docs/benchmarks.md).
"""
_LOG_TAIL_BYTES = 8192
_LOG_TAIL_LINES = 20


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
            child = alive(
                _forked(call, files, log, progress_end) or _started(call, files, log, progress_end)
            )
            progress_end.close()
            _watch(child, progress.fileno(), call, on_progress)
        if code := child.wait():
            raise _ending(code, call, written_before)
        reply = _read_reply(reply_file, call)
    if isinstance(reply.get("error"), dict):
        raise _rebuild_error(reply["error"], call)
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


def _watch(child: Child, read_end: int, call: WorkerCall, on_progress: OnProgress) -> None:
    """Forward progress until the child closes its end of the pipe and exits."""
    deadline = time.monotonic() + call.timeout_seconds
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(read_end, selectors.EVENT_READ)
        while child.poll() is None:
            if time.monotonic() > deadline:
                raise WorkerError(
                    f"took longer than {call.timeout_seconds:.0f} s and was stopped",
                    where=call.module,
                    log=call.log,
                )
            if not selector.select(timeout=0.2):
                continue
            chunk = os.read(read_end, 65536)
            if not chunk:
                child.wait(timeout=max(0.1, deadline - time.monotonic()))
                break
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                on_progress(from_json(Progress, json.loads(line)))


def _ending(code: int, call: WorkerCall, written_before: int) -> QuantgateError:
    """Return what to raise for a child that did not end well: only a crash may be over its input.

    One that broke by itself ends the sentence with its own last words.
    """
    lines = _last_lines(call.log, written_before)
    if short := _telling(lines, short_of_memory):
        what = f"ran out of memory: {short}"
        return ToolchainError(what, where=call.module, next_step=NEXT_STEP, log=call.log)
    number = signal_of(code)
    if number is not None:
        by_computing = brought_upon_itself(number)
        said = last_words(call.log, written_before) if by_computing else ""
        kind: type[WorkerError] = WorkerError
        if by_computing and not of_the_environment(said):
            kind = ChildAbortError
        what = killed_by(number) + (f": {said}" if said else "")
        return kind(what, where=call.module, log=call.log)
    reason = _telling(lines, is_an_exception) or (lines[-1] if lines else "it wrote nothing")
    kind = WorkerError if of_the_environment(reason) else ChildCrashError
    return kind(f"ended with exit code {code}: {reason}", where=call.module, log=call.log)


def _telling(lines: list[str], tells: Callable[[str], bool]) -> str | None:
    return next((line for line in reversed(lines) if tells(line)), None)


def _last_lines(log: Path, written_before: int) -> list[str]:
    """Return what a child wrote last, without what earlier ones wrote into the same log."""
    with log.open("rb") as file:
        file.seek(max(written_before, log.stat().st_size - _LOG_TAIL_BYTES))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return [line.strip() for line in lines[-_LOG_TAIL_LINES:]]


def _read_reply(reply_file: Path, call: WorkerCall) -> dict[str, JsonValue]:
    try:
        reply: dict[str, JsonValue] = json.loads(reply_file.read_bytes())
    except (OSError, ValueError) as error:
        raise WorkerError("ended without a reply", where=call.module, log=call.log) from error
    return reply


def _rebuild_error(reply: JsonValue, call: WorkerCall) -> QuantgateError:
    """Return the error the worker raised, as the same class, with its own log where it names one."""
    fields = reply if isinstance(reply, dict) else {}
    kind = getattr(errors, str(fields.get("kind")), WorkerError)
    what, where, next_step, named = (
        str(value) if value is not None else None
        for value in map(fields.get, ("what", "where", "next_step", "log"))
    )
    if kind is ServiceError:
        return ServiceError(what or "failed", where=where, next_step=next_step)
    if not (isinstance(kind, type) and issubclass(kind, QuantgateError)):
        kind = InputError
    log = Path(named) if named else call.log  # a server's output stands beside the worker's
    rebuilt: QuantgateError = kind(what or "failed", where=where, next_step=next_step, log=log)
    return rebuilt
