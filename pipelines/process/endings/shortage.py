"""Telling a machine's shortages from a program's failure by its last words: they say nothing of its input."""

import re
import signal
from pathlib import Path

from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.files.disk.full import AFTER_FULL_DISK
from quantgate.pipelines.files.disk.places import full_place

_SHORT_OF_MEMORY = re.compile(
    r"out of memory|memoryerror|bad_alloc|unable to mmap|cannot allocate|can't allocate"
    r"|failed to (?:allocate|reserve)|(?:unable|could not|cannot) (?:to )?(?:allocate|reserve)"
    r"|(?:not enough|insufficient) memory|errno 12\b|\benomem\b"
    r"|memory allocation of \d+ bytes failed",
    re.IGNORECASE,
)
"""The last is how Rust's standard library aborts (`handle_alloc_error`), and so what reads tokenizers."""
_OF_THE_ENVIRONMENT = re.compile(
    # the disk and its files
    r"no space left|disk quota exceeded|too many open files|input/output error|stale file handle"
    r"|read-only file system|permission denied|operation not permitted|bus error"
    # processes, threads and the network
    r"|resource temporarily unavailable|can't start new thread|GGML_ASSERT\(rc == 0\)"
    r"|timed out|connection (?:reset|refused|aborted)|broken pipe|^keyboardinterrupt"
    # the installation
    r"|^importerror|^modulenotfounderror|undefined symbol|cannot open shared object|illegal instruction"
    # an accelerator
    r"|(?:cuda|hip|nccl|nvrtc) (?:error|driver)|cublas_status|cudnn_status|nvidia driver|no cuda gpus",
    re.IGNORECASE | re.MULTILINE,
)
"""The assertion is ggml's on a thread that it could not create (ggml/src/ggml-cpu/ggml-cpu.c)."""
_NO_ROOM = re.compile(
    r"(?P<reason>no space left on device|disk quota exceeded)(?:: '(?P<file>[^']+)')?",
    re.IGNORECASE,
)
"""As the system says it, and what Python adds."""
_EXCEPTION = re.compile(r"^(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit)\b(?::|$)")
_COUNTS = Path("/proc/vmstat")
_LEAST_TOLD_BYTES = 50e6
"""A child that was seen with less was seen before it did anything."""
NEXT_STEP = (
    "end other programs, set QUANTGATE_WORKERS=1, or take a machine with more memory; "
    "then run the same command again"
)

AGAIN = "see to it, and run the same command again"


def short_of_memory(words: str) -> bool:
    """Whether a program's last words (or an engine's reason) say that it got no more memory."""
    return _SHORT_OF_MEMORY.search(words) is not None


def out_of_memory(
    words: str, peak_bytes: int, *, where: str | None = None, log: Path | None = None
) -> ToolchainError:
    """Return what to raise for a child that got no more; `peak_bytes` is the most it was seen to hold."""
    held = f" (it held {peak_bytes / 1e9:.1f} GB or more)" if peak_bytes > _LEAST_TOLD_BYTES else ""
    what = f"ran out of memory: {words.rstrip(': ')}{held}"
    return ToolchainError(what, where=where, next_step=NEXT_STEP, log=log)


def kernels_kills(counts: Path = _COUNTS) -> int | None:
    """Return how many processes the kernel has killed for want of memory, in whatever control group.

    `oom_kill` of /proc/vmstat, since Linux 4.13; None where that is not told.
    """
    try:
        lines = counts.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def killed_for_memory(number: int, *, kernel_killed: bool) -> bool:
    """Whether a signal was the kernel's for want of memory: a SIGKILL while it killed somebody for that."""
    return number == signal.SIGKILL and kernel_killed


def of_the_environment(words: str) -> bool:
    """Whether they say that the machine or the environment lacked something else."""
    return _OF_THE_ENVIRONMENT.search(words) is not None


def out_of_room(words: str, log: Path | None = None) -> ToolchainError | None:
    """Return what to raise where words say that a disk is full, and where, if they do; None otherwise."""
    said = _NO_ROOM.search(words)
    if said is None:
        return None
    place = said["file"] or full_place()
    return ToolchainError(
        f"the disk is full ({said['reason']})",
        where=str(place) if place else None,
        next_step=AFTER_FULL_DISK,
        log=log,
    )


def machine_trouble(words: str) -> ToolchainError | None:
    """Return what to raise where words say that a machine lacked something; None where they do not."""
    if short_of_memory(words):
        return ToolchainError(f"ran out of memory: {words}", next_step=NEXT_STEP)
    if full := out_of_room(words):
        return full
    if of_the_environment(words):
        return ToolchainError(f"something failed on this machine: {words}", next_step=AGAIN)
    return None


def is_an_exception(line: str) -> bool:
    """Whether a line is the one of a traceback that names the exception."""
    return _EXCEPTION.match(line) is not None
