"""Workers of torch for tests: each is forked from a process that has imported it.

Importing torch and transformers costs a child six to eight seconds of processor time, and most calls of
tests one. Here a host (`tests.support.warm.host`) imports them once a test process; a child finds
`first/sitecustomize.py` on its path and hands the environment, the files and the arguments that it was given
to the host, which forks. The fork runs the worker's module as `python -m` would, and the child ends as it
does. What starts workers stays as it is: request, log, progress, reply, crashes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from atexit import register
from dataclasses import replace
from functools import cache
from itertools import takewhile
from pathlib import Path
from threading import Lock

from quantgate.pipelines.process.calls import OnProgress, Reply, WorkerCall, WorkerReply
from quantgate.pipelines.process.runner import run_worker, worker_environment
from tests.support.project import PROJECT

THREADS = 1
"""Workers with another number of threads get no fork: OpenMP reads it once."""
_LLAMA = "transformers.models.llama.modeling_llama"
_ENGINES = "quantgate.pipelines.engines"
TRANSFORMERS = f"{_ENGINES}.transformers.workers."
LLMCOMPRESSOR = f"{_ENGINES}.llmcompressor.workers."
UNPACKING = f"{_ENGINES}.llamacpp.workers.unpacking."
ARCHITECTURES = "tests.support.architectures."
_BUILDING = f"{_ENGINES}.llamacpp.workers.building."
_HOSTS = {
    TRANSFORMERS: TRANSFORMERS,
    LLMCOMPRESSOR: LLMCOMPRESSOR,
    ARCHITECTURES: TRANSFORMERS,
    UNPACKING: TRANSFORMERS,
    f"{_BUILDING}convert": TRANSFORMERS,
    f"{_BUILDING}vocabulary_trial": TRANSFORMERS,
}
"""Whose workers fork from which host."""
_ONE_AT_A_TIME = Lock()
_IMPORTED = {TRANSFORMERS: (_LLAMA,), LLMCOMPRESSOR: (_LLAMA, "llmcompressor.modifiers")}


def run_warm(
    call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
) -> WorkerReply[Reply]:
    """Run a worker of torch by the host, and any other as a child of its own; see `RunWorker`."""
    if call.python is None and call.module.startswith(tuple(_HOSTS)):
        prefix = next(prefix for prefix in _HOSTS if call.module.startswith(prefix))
        with _ONE_AT_A_TIME:  # hosts start once, whatever threads ask
            call = replace(call, python=_interpreter(prefix))
    return run_worker(call, reply_type, on_progress)


def warm_environment(*prefixes: str) -> dict[str, str]:
    """Return variables for a command whose workers with one of these prefixes are to be forked."""
    hosts = ";".join(f"{prefix}={_host(_HOSTS[prefix])}" for prefix in prefixes)
    path = [str(Path(__file__).parent / "first"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"QUANTGATE_TESTS_HOSTS": hosts, "PYTHONPATH": os.pathsep.join(path)}


@cache
def _interpreter(prefix: str) -> Path:
    """Return a program that is Python, but for these variables."""
    given = [f"{name}='{value}'" for name, value in warm_environment(prefix).items()]
    folder = Path(tempfile.mkdtemp(prefix="quantgate-warm-"))
    file = folder / "python"
    file.write_text(f"#!/bin/sh\nexec env {' '.join(given)} '{sys.executable}' \"$@\"\n")
    file.chmod(0o700)
    register(shutil.rmtree, folder, ignore_errors=True)
    return file


@cache
def _host(prefix: str) -> str:
    """Start the host of these workers; return the address of its socket."""
    address = str(Path(tempfile.mkdtemp(prefix="quantgate-warm-")) / "socket")
    host = subprocess.Popen(
        [sys.executable, "-m", "tests.support.warm.host", address, prefix, *_IMPORTED[prefix]],
        cwd=PROJECT,
        env=worker_environment(THREADS),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert host.stdout is not None
    register(host.communicate)  # it ends with its standard input
    said = list(takewhile(lambda line: line != b"ready\n", host.stdout))
    assert host.poll() is None, said
    return address
