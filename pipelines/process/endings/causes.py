"""How a process ended: over what it was given, or because of the machine it ran on.

Only the first may be held against a file. A signal tells: three come from a process's own computing; all
others come from outside (a person, a supervisor, the kernel that is short of memory) or from the machine (a
disk that fails while a file is mapped, an instruction that the processor lacks, a limit).
"""

import signal

from quantgate.pipelines.domain.errors import ChildCrashError
from quantgate.pipelines.process.calls import OnProgress, Reply, RunWorker, WorkerCall
from quantgate.pipelines.process.endings.shortage import NEXT_STEP

_BY_COMPUTING = frozenset((signal.SIGABRT, signal.SIGSEGV, signal.SIGFPE))
_BY_SIGNAL = 128
_OFTEN: dict[int, str] = {
    signal.SIGKILL: "often: out of memory",
    signal.SIGBUS: "a file was cut while it was read, or its disk is full or fails",
    signal.SIGILL: "this processor lacks an instruction that the program was built with",
    signal.SIGSYS: "the machine forbids it a system call",
    signal.SIGXCPU: "its limit of processor time",
    signal.SIGXFSZ: "its limit of file sizes",
}
_NEXT: dict[int, str] = {
    signal.SIGKILL: f"where memory was short, {NEXT_STEP}",
    signal.SIGBUS: "see to the disk, and run the same command again",
    signal.SIGILL: "set QUANTGATE_CACHE to a folder of this machine and run `make setup`; then run the same "
    "command again",
    signal.SIGSYS: "allow it (seccomp profiles of containers forbid such), and run the same command again",
    signal.SIGXCPU: "raise that limit (ulimit -t), and run the same command again",
    signal.SIGXFSZ: "raise that limit (ulimit -f), and run the same command again",
}
_AGAIN = "run the same command again: what is finished stays"


def brought_upon_itself(number: int) -> bool:
    """Whether a signal is one that a process's own computing ends it with; it may still have been sent."""
    return number in _BY_COMPUTING


def killed_by(number: int) -> str:
    """Say which signal ended a process, and what that often means."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"was killed by {name}" + (f" ({_OFTEN[number]})" if number in _OFTEN else "")


def next_after(number: int) -> str:
    """Return what to do where a signal from outside ended a process."""
    return _NEXT.get(number, _AGAIN)


def signal_of(code: int) -> int | None:
    """Return the signal behind an exit code, as Python (negative) and shells (128 more) have it, or None."""
    if code < 0:
        return -code
    number = code - _BY_SIGNAL
    return number if number in {sign.value for sign in signal.Signals} else None


def run_confirmed(
    run_worker: RunWorker, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
) -> Reply:
    """Run a worker whose crash would be held against its input: only one that comes twice counts.

    Raises:
        QuantgateError: as `run_worker`; a `ChildCrashError` is the second one's.
    """
    try:
        return run_worker(call, reply_type, on_progress).value
    except ChildCrashError:
        return run_worker(call, reply_type, on_progress).value
