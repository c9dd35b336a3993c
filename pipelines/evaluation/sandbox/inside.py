"""What runs inside a sandbox: an answer's program, a suite's tests, or a tool's function. One of them.

Started as `python -c <this file's text> KIND` with nothing of this project in reach; standard library
only. The order holds all else as texts: `namespaces`, and the modules of `judged` of which `entry` is begun.
Speaks JSON lines on standard input and output:

- in: one line, the order; out: `{"state": "ready"}` once all limits are in force;
- where the program runs, out: `{"state": "loaded", "names": [...]}` or `{"state": "failed", "what": str}`;
- where the tests run, in: one line with them; out at last: `{"state": "passed"}` or `{"state": "failed", …}`;
- in between, questions and replies of the two (`judged.peer`), which who started both passes on;
- where a function is called, out: `{"state": "value", "value": str}` or `{"state": "failed", "what": str}`.

A program can say what it likes: it is never asked for a verdict, and what tests expect is in another process.
"""

import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import types
from pathlib import Path
from typing import Any, NoReturn

_NAMESPACES = "quantgate.pipelines.evaluation.sandbox.namespaces"
_PEER = "quantgate.pipelines.evaluation.sandbox.judged.peer"


def main() -> NoReturn:
    """Isolate this process as KIND asks, then run what the order says."""
    kind = sys.argv[1]
    order = json.loads(_read_line(0))
    kernel = _loaded(_NAMESPACES, order["namespaces"])
    if kind == "unshare":
        kernel.enter(order)
    elif kind == "none":
        _guard_a_child(kernel)
    if kind != "none" and os.geteuid() == 0:
        kernel.become_nobody()
    _limit(order)
    _play(order, kernel)


def _read_line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(descriptor, 65536)
        if not chunk:
            os._exit(3)
        line += chunk
    return line


def _play(order: dict[str, Any], kernel: Any) -> NoReturn:
    """Run what the order names first to last; standard streams lead nowhere meanwhile."""
    question, answer = os.dup(0), os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    if sys.platform == "linux":  # nobody reads its memory, nor follows its steps
        kernel.call("prctl", kernel.SET_DUMPABLE, 0, 0, 0, 0)
    modules = {name: _loaded(name, text) for name, text in order["modules"].items()}
    lines = modules[_PEER].Lines(question, answer)
    lines.say({"state": "ready"})
    with contextlib.suppress(BaseException):  # what a program says of itself is of no interest
        modules[order["entry"]].begin(lines, order)
    os._exit(0)


def _loaded(name: str, text: str) -> Any:
    """Make a module of its text: nothing of this project is in reach here."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(text, f"<{name}>", "exec"), module.__dict__)
    return module


def _limit(order: dict[str, Any]) -> None:
    limits = {
        resource.RLIMIT_AS: order["memory_bytes"],
        resource.RLIMIT_CPU: order["cpu_seconds"],
        resource.RLIMIT_NPROC: order["processes"],
        resource.RLIMIT_FSIZE: order["file_bytes"],
        resource.RLIMIT_NOFILE: order["open_files"],
        resource.RLIMIT_CORE: 0,
    }
    for name, value in limits.items():
        _, hard = resource.getrlimit(name)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS has no RLIMIT_AS worth the name
            resource.setrlimit(name, (most, most))


def _guard_a_child(kernel: Any) -> None:
    """Without a sandbox: go on as a child in a folder of its own; the outer process cleans up after it."""
    scratch = tempfile.mkdtemp(prefix="quantgate-unsandboxed-")
    if sys.platform == "linux":
        kernel.call("prctl", kernel.SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork()
    if child:
        _guard(child, scratch, kernel)
    os.setsid()
    os.chdir(scratch)
    os.environ |= {"HOME": scratch, "TMPDIR": scratch}


def _guard(child: int, scratch: str, kernel: Any) -> NoReturn:
    def end(*_: object) -> None:
        _kill_descendants(child)
        shutil.rmtree(scratch, ignore_errors=True)
        os._exit(1)

    signal.signal(signal.SIGTERM, end)
    if sys.platform == "linux":
        kernel.call("prctl", kernel.SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    for stream in (0, 1):
        os.close(stream)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    end()
    os._exit(1)


def _kill_descendants(child: int) -> None:
    """Kill until none is left: children of what was killed become ours (we are their subreaper)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    while True:
        for process in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    children = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                children.append(int(folder.name))
    return children


if __name__ == "__main__":
    main()
