"""What a child runs first: it binds its life to its parent's before anything heavy is imported.

`python -m pipelines.process.launch MODULE ARGUMENT…` runs a module as `python -m MODULE ARGUMENT…` does. Its
parent's process id stands in QUANTGATE_PARENT_PID, so that a parent which died before this line was reached
is noticed too. Only the standard library is imported: between the start of Python and the binding lie some
hundredths of a second.
"""

import ctypes
import os
import runpy
import signal
import sys
import threading
import time

PARENT_PID = "QUANTGATE_PARENT_PID"
_PR_SET_PDEATHSIG = 1
_ORPHANED = 1


def die_with_parent(parent: int) -> None:
    """Make this process die when `parent` does: by the kernel on Linux, by watching it elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(_ORPHANED)


def launched(module: str) -> list[str]:
    """Return the interpreter's arguments that run a module bound to its parent."""
    return ["-m", "pipelines.process.launch", module]


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(_ORPHANED)


if __name__ == "__main__":
    die_with_parent(int(os.environ[PARENT_PID]))
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
