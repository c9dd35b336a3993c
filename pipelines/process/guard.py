"""Runs a foreign program in a process group of its own that ends with whoever asked for it.

`python -m pipelines.process.guard PROGRAM ARGUMENT…` lives as long as the program does and its standard
input stays open. The one who started it holds the other end of that pipe: when it dies, however it dies,
the kernel closes the pipe, and the program's whole group is ended, helpers it forked included. Should the
guard itself be killed, the kernel kills the program (on Linux).

Its exit code is the program's, or 128 and the signal's number as shells have it, or 127 where the program
cannot be started. Only the standard library is imported: it has to be small and quick.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

GRACE_SECONDS = 10.0
NOT_STARTED = 127
BY_SIGNAL = 128
_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_SECONDS = 0.1


def guard(command: list[str]) -> int:
    """Run the command until it ends or standard input is closed; return the exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the pipe says when to end
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_begin,  # safe: there is one thread here
        )
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", file=sys.stderr)
        return NOT_STARTED
    while program.poll() is None:
        ready, _, _ = select.select([0], [], [], _LOOK_EVERY_SECONDS)
        if ready and not os.read(0, 1024):
            _end(program)
            break
    _signal_group(program.pid, signal.SIGKILL)  # helpers that a dead program left behind
    code = program.wait()
    return code if code >= 0 else BY_SIGNAL - code


def _begin() -> None:
    """In the program's process, before it is one: default signals, and death with the guard."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(program: "subprocess.Popen[bytes]") -> None:
    _signal_group(program.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while program.poll() is None and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_SECONDS)
    _signal_group(program.pid, signal.SIGKILL)


def _signal_group(leader: int, sign: signal.Signals) -> None:
    try:
        os.killpg(leader, sign)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    sys.exit(guard(sys.argv[1:]))
