"""What a child runs first: it binds its life to its parent's before anything heavy is imported.

`python -m quantgate.pipelines.process.launch MODULE ARGUMENT…` runs a module as `python -m MODULE
ARGUMENT…` does, and `… launch --exec PROGRAM ARGUMENT…` becomes another program (on Linux the binding
outlives that). The parent's process id stands in QUANTGATE_PARENT_PID, so that a parent which died before
this line was reached is noticed too. Only the standard library is imported: between the start of Python
and the binding lie some hundredths of a second.
"""

import ctypes
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

PARENT_PID = "QUANTGATE_PARENT_PID"
_PACKAGES = Path(__file__).parents[3]
"""Where the package `quantgate` lies. Not resolved: in a checkout a link stands on the way."""
_PR_SET_PDEATHSIG = 1
_ORPHANED = 1
NOT_STARTED = 127
_NEVER_USED = ("sklearn",)
"""What transformers imports beside itself where it is installed, for decoding with a draft model: with pandas
and scipy.stats a quarter of the processor time of importing it (measured: 5.8 s with, 4.3 s without)."""
_IMPORTING_TRANSFORMERS = (
    "quantgate.pipelines.engines.llamacpp.",
    "quantgate.pipelines.engines.openai.",
    "quantgate.pipelines.engines.transformers.",
)
_EXEC = "--exec"


def die_with_parent(parent: int) -> None:
    """Make this process die when `parent` does: by the kernel on Linux, by watching it elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(_ORPHANED)


def leave_out_what_is_never_used(module: str) -> None:
    """Let packages that a worker module only pays for look as if they were not installed.

    An entry of None in `sys.modules` makes `import` raise ModuleNotFoundError and `find_spec` find nothing.
    """
    if module.startswith(_IMPORTING_TRANSFORMERS):
        sys.modules.update(dict.fromkeys(_NEVER_USED))  # type: ignore[arg-type]  # documented, and untyped


def launched(module: str) -> list[str]:
    """Return the interpreter's arguments that run a module bound to its parent."""
    return ["-m", "quantgate.pipelines.process.launch", module]


def bound(command: list[str]) -> list[str]:
    """Return the interpreter's arguments that become another program, bound to its parent."""
    return ["-m", "quantgate.pipelines.process.launch", _EXEC, *command]


def python_path() -> str:
    """Return PYTHONPATH for a child that imports this program, whatever its interpreter has installed."""
    return os.pathsep.join(part for part in (str(_PACKAGES), os.environ.get("PYTHONPATH")) if part)


def parent_here() -> dict[str, str]:
    """Return the variable that tells a child that this process is its parent."""
    return {PARENT_PID: str(os.getpid())}


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(_ORPHANED)


if __name__ == "__main__":
    die_with_parent(int(os.environ[PARENT_PID]))
    del sys.argv[0]
    if sys.argv[0] == _EXEC:
        try:
            os.execvp(sys.argv[1], sys.argv[1:])
        except OSError as error:
            print(f"{sys.argv[1]} cannot be started: {error.strerror}", file=sys.stderr)
            sys.exit(NOT_STARTED)
    leave_out_what_is_never_used(sys.argv[0])
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
