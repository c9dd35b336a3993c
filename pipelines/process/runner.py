"""The parent's side of a worker call: start, watch, time out, clean up, translate failures."""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from pipelines.domain import errors
from pipelines.domain.errors import InputError, QuantgateError, ServiceError, WorkerError
from pipelines.domain.values import JsonValue
from pipelines.files.records import from_json, write_record
from pipelines.process.calls import OnProgress, Progress, Reply, WorkerCall, WorkerReply
from pipelines.process.harness import PARENT_PID, PROGRESS_FD

WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}
"""How a worker's threads wait for each other: they look a thousand times (some microseconds), then sleep.

Spinning for as long as OpenMP does by itself costs several times the processor time on busy cores; sleeping
at once costs small models as much on idle ones (docs/benchmarks.md).
"""
_GRACE_SECONDS = 3.0
_LOG_TAIL_BYTES = 8192
_PROJECT_ROOT = Path(__file__).resolve().parents[2]


_live: set["subprocess.Popen[bytes]"] = set()
_stopping = threading.Event()


def stop_workers() -> None:
    """Kill every running worker and let no new one start; for a process that is being interrupted."""
    _stopping.set()
    for child in tuple(_live):
        _kill_group(child)


def run_worker(
    call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
) -> WorkerReply[Reply]:
    """Run a worker module in a child process of its own process group; see `RunWorker`."""
    call.log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="quantgate-") as exchange:
        request_file, reply_file = Path(exchange) / "request.json", Path(exchange) / "reply.json"
        write_record(request_file, call.request)
        _run(call, [str(request_file), str(reply_file)], on_progress)
        reply = _read_reply(reply_file, call)
    if isinstance(reply.get("error"), dict):
        raise _rebuild_error(reply["error"], call)
    peak = reply.get("peak_memory_bytes")
    return WorkerReply(
        value=from_json(reply_type, reply["value"]),
        seconds=time.monotonic() - started,
        peak_memory_bytes=peak if isinstance(peak, int) else 0,
    )


def worker_environment(threads: int) -> dict[str, str]:
    """Return the environment every worker gets: few threads, `WAITING`, no network, no telemetry."""
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
            "PYTHONPATH": os.pathsep.join(
                part for part in (str(_PROJECT_ROOT), os.environ.get("PYTHONPATH")) if part
            ),
            PARENT_PID: str(os.getpid()),
        }
    )


def _run(call: WorkerCall, arguments: list[str], on_progress: OnProgress) -> None:
    if _stopping.is_set():
        raise WorkerError("was not started: the program is ending", where=call.module)
    read_end, write_end = os.pipe()
    try:
        with call.log.open("ab") as log:
            child = subprocess.Popen(
                [str(call.python or sys.executable), "-m", call.module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=worker_environment(call.threads) | {PROGRESS_FD: str(write_end)},
                pass_fds=(write_end,),
                start_new_session=True,
            )
        os.close(write_end)
        write_end = -1
        _live.add(child)
        try:
            _watch(child, read_end, call, on_progress)
        except BaseException:
            _kill_group(child)
            raise
        finally:
            _live.discard(child)
    finally:
        os.close(read_end)
        if write_end >= 0:
            os.close(write_end)
    if child.returncode != 0:
        raise _crash(child.returncode, call)


def _watch(
    child: "subprocess.Popen[bytes]", read_end: int, call: WorkerCall, on_progress: OnProgress
) -> None:
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


def _kill_group(child: "subprocess.Popen[bytes]") -> None:
    for sign, patience in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, None)):
        try:
            os.killpg(child.pid, sign)
            child.wait(timeout=patience)
        except ProcessLookupError:
            child.wait()
            return
        except subprocess.TimeoutExpired:
            continue
        return


def _crash(code: int, call: WorkerCall) -> WorkerError:
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (often: out of memory)" if name == "SIGKILL" else ""
        return WorkerError(f"was killed by {name}{hint}", where=call.module, log=call.log)
    return WorkerError(
        f"ended with exit code {code}: {_last_line(call.log)}", where=call.module, log=call.log
    )


def _last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it wrote nothing"


def _read_reply(reply_file: Path, call: WorkerCall) -> dict[str, JsonValue]:
    try:
        reply: dict[str, JsonValue] = json.loads(reply_file.read_bytes())
    except (OSError, ValueError) as error:
        raise WorkerError("ended without a reply", where=call.module, log=call.log) from error
    return reply


def _rebuild_error(reply: JsonValue, call: WorkerCall) -> QuantgateError:
    """Return the error the worker raised, as the same class."""
    fields = reply if isinstance(reply, dict) else {}
    kind = getattr(errors, str(fields.get("kind")), WorkerError)
    what, where, next_step = (
        str(value) if value is not None else None
        for value in (fields.get("what"), fields.get("where"), fields.get("next_step"))
    )
    if kind is ServiceError:
        return ServiceError(what or "failed", where=where, next_step=next_step)
    if not (isinstance(kind, type) and issubclass(kind, QuantgateError)):
        kind = InputError
    rebuilt: QuantgateError = kind(what or "failed", where=where, next_step=next_step, log=call.log)
    return rebuilt
