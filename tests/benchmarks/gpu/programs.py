"""Programs that may take no longer than is left, with all that they start."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.benchmarks.gpu.journal import LeftOutError
from tests.support.project import PROJECT

_GRACE_SECONDS = 8.0
_LAST_LINES = 3


def run_within(
    command: Sequence[str],
    seconds: float,
    log: Path,
    environment: Mapping[str, str],
    good: Collection[int] = (0,),
) -> float:
    """Run a program and return how long it took; its output is added to `log`, `good` are its exit codes.

    Raises:
        LeftOutError: where it takes longer (it is interrupted then, and ended soon after), or fails.
    """
    began = time.monotonic()
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(command),
            cwd=PROJECT,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        code = child.wait(timeout=max(1.0, seconds - _GRACE_SECONDS))
    except subprocess.TimeoutExpired:
        _end(child)
        raise LeftOutError(f"cut off after {time.monotonic() - began:.0f} s") from None
    except BaseException:
        _end(child)
        raise
    if code not in good:
        lines = log.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:]
        raise LeftOutError(f"ended with exit code {code}: {' / '.join(lines)}")
    return time.monotonic() - began


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Interrupt a program, which ends its children first; then end what is left of its session."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        child.wait(timeout=_GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a module with this interpreter."""
    return [sys.executable, "-m", name, *arguments]
