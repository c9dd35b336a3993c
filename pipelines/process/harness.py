"""The child's side of a worker call.

A worker module ends with `if __name__ == "__main__": serve(handle, Request)`. Its arguments are a
request file and a reply file; progress goes as JSON lines to the file descriptor named by
QUANTGATE_PROGRESS_FD. A `QuantgateError` becomes an error reply; anything else is a crash with its
traceback in the log. The child dies with its parent, however the parent dies (`pipelines.process.launch`
sees to that before the worker module is imported).
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from quantgate.pipelines.domain.errors import QuantgateError
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.files.disk.full import full_disk
from quantgate.pipelines.files.disk.places import full_place
from quantgate.pipelines.files.records import read_record, to_json, write_text
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.launch import PARENT_PID, die_with_parent
from quantgate.pipelines.process.secrecy import hide_secrets

Request = TypeVar("Request")

PROGRESS_FD = "QUANTGATE_PROGRESS_FD"
_PROGRESS_INTERVAL_SECONDS = 0.1


def serve(handle: Callable[[Request, OnProgress], object], request_type: type[Request]) -> None:
    """Parse the request file, handle it, write the reply file; exit 0 also for an error reply."""
    die_with_parent(int(os.environ.get(PARENT_PID, os.getppid())))
    hide_secrets()
    request_file, reply_file = Path(sys.argv[1]), Path(sys.argv[2])
    reply: dict[str, JsonValue]
    try:
        request = read_record(request_type, request_file)
        reply = {"value": to_json(handle(request, _progress_reporter()))}
    except QuantgateError as error:
        reply = {"error": _error_reply(error)}
    except OSError as error:
        full = full_disk(error, full_place() or Path.cwd())
        if full is None:
            raise
        reply = {"error": _error_reply(full)}
    reply["peak_memory_bytes"] = peak_memory_bytes()
    write_text(reply_file, json.dumps(reply))


def peak_memory_bytes() -> int:
    """Return this process's peak resident set."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _error_reply(error: QuantgateError) -> dict[str, JsonValue]:
    return {
        "kind": type(error).__name__,
        "what": error.what,
        "where": error.where,
        "next_step": error.next_step,
        "log": str(error.log) if error.log else None,
    }


def _progress_reporter() -> OnProgress:
    descriptor = int(os.environ.get(PROGRESS_FD, "-1"))
    last = 0.0

    def report(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        between = 0 < progress.done != progress.total  # the first and the last are never dropped
        if descriptor < 0 or (between and now - last < _PROGRESS_INTERVAL_SECONDS):
            return
        last = now
        os.write(descriptor, (json.dumps(to_json(progress)) + "\n").encode())

    return report
