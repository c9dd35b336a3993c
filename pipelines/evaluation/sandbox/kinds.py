"""Where programs that a model wrote may run: sandboxes that this machine has, tried before they are trusted.

What a sandbox holds is listed, not what it hides: the interpreter and the system's libraries, read-only,
four devices and an empty `/tmp` of its own. There is no network, no home, no `/proc`, and no file of this
project. Limits on processor time, memory, processes and file sizes hold for each process, and the whole
process tree ends with its clock.
"""

import importlib.util
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from quantgate.pipelines.domain.values import JsonObject, JsonValue

SandboxKind = Literal["bwrap", "unshare", "none"]
"""`unshare` are the kernel's namespaces, entered by ourselves; `none` is no sandbox, only limits."""

ALLOW_UNSANDBOXED = "QUANTGATE_ALLOW_UNSANDBOXED"
NEXT_STEP = (
    "install bubblewrap (`bwrap`), or allow unprivileged user namespaces; in a container that "
    "is thrown away afterwards, `allow_unsandboxed: true` in the grader's options or "
    f"{ALLOW_UNSANDBOXED}=1 runs answers with limits and nothing else"
)

_INSIDE = "quantgate.pipelines.evaluation.sandbox.inside"
_NAMESPACES = "quantgate.pipelines.evaluation.sandbox.namespaces"
_TALKING = (
    "quantgate.pipelines.evaluation.sandbox.judged.values",
    "quantgate.pipelines.evaluation.sandbox.judged.peer",
)
_ENTERED = {
    "program": ("quantgate.pipelines.evaluation.sandbox.judged.program",),
    "tests": (
        "quantgate.pipelines.evaluation.sandbox.judged.foreign",
        "quantgate.pipelines.evaluation.sandbox.judged.checks",
    ),
    "function": ("quantgate.pipelines.evaluation.sandbox.judged.function",),
}
"""Sent as texts, in the order in which they import each other: nothing of this project is in reach inside.
The last one of each is begun."""
_MEBIBYTE = 1 << 20
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/nix/store")
_DEVICES = ("null", "zero", "random", "urandom")
_SCRATCH_BYTES = 64 * _MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What a program may take.

    `seconds` limits the processor time of program and tests together, and the time in which neither has
    anything to compute, each by itself (`clock`). The kernel ends a process that takes a little more.
    `packages` lets it import the packages of this program's own environment.
    """

    seconds: float = 10.0
    memory_bytes: int = 1024 * _MEBIBYTE
    packages: bool = False
    processes: int = 32
    file_bytes: int = 16 * _MEBIBYTE
    open_files: int = 64


def start(kind: SandboxKind, limits: SandboxLimits) -> "subprocess.Popen[bytes]":
    """Start a sandbox that waits for its order on standard input."""
    return subprocess.Popen(
        command(kind, limits),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_ENVIRONMENT,
        cwd="/",
    )


def command(kind: SandboxKind, limits: SandboxLimits) -> list[str]:
    """Return the command line of a sandbox with our side of it inside."""
    inside = [
        interpreter(limits),
        *("-P", "-B", "-s"),
        *(() if limits.packages else ("-S",)),
        *("-c", _text_of(_INSIDE), kind),
    ]
    return [*_prefix(kind, limits), *inside]


_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def order(
    limits: SandboxLimits, entry: Literal["program", "tests", "function"], **task: JsonValue
) -> JsonObject:
    """Return what the inside is told: what it is to run, as texts, with what, and within which limits."""
    links, readable = _system()
    modules = (*_TALKING, *_ENTERED[entry])
    return {
        **task,
        "namespaces": _text_of(_NAMESPACES),
        "modules": {name: _text_of(name) for name in modules},
        "entry": modules[-1],
        "links": [list(link) for link in links],
        "readable": [*readable, *held_folders(limits)],
        "memory_bytes": limits.memory_bytes,
        "cpu_seconds": math.ceil(limits.seconds) + 1,
        "processes": limits.processes,
        "file_bytes": limits.file_bytes,
        "open_files": limits.open_files,
        "scratch_bytes": _SCRATCH_BYTES,
    }


@cache
def _text_of(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


def interpreter(limits: SandboxLimits) -> str:
    """Return the Python that runs answers: our environment's, or the one it was made from."""
    base = getattr(sys, "_base_executable", "") or sys.executable
    return sys.executable if limits.packages else os.path.realpath(base)


def _prefix(kind: SandboxKind, limits: SandboxLimits) -> list[str]:
    return _bubblewrap(limits) if kind == "bwrap" else []


def _bubblewrap(limits: SandboxLimits) -> list[str]:
    links, readable = _system()
    arguments = [
        _program_path("bwrap"),
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--clearenv",
    ]
    if os.geteuid() == 0:  # the inside becomes nobody, whom limits bind
        arguments = [
            argument if argument != "--unshare-all" else "--unshare-pid" for argument in arguments
        ]
        arguments += ["--unshare-net", "--unshare-ipc", "--unshare-uts"]
        arguments += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    for name, value in _ENVIRONMENT.items():
        arguments += ["--setenv", name, value]
    held = (*readable, *held_folders(limits))
    for folder in dict.fromkeys(_parents((*held, "/dev/null"))):  # made 0700 unless named
        arguments += ["--dir", folder]
    for path in held:
        arguments += ["--ro-bind", path, path]
    for target, link in links:
        arguments += ["--symlink", link, target]
    for device in _DEVICES:
        arguments += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    scratch = ["--perms", "1777", "--size", str(_SCRATCH_BYTES), "--tmpfs", "/tmp"]
    return [*arguments, *scratch, "--remount-ro", "/", "--chdir", "/tmp", "--"]


def _parents(paths: Iterable[str]) -> list[str]:
    return [
        str(parent)
        for path in paths
        for parent in reversed(Path(path).parents)
        if parent != Path("/")
    ]


def _program_path(program: str) -> str:
    return shutil.which(program) or program


def held_folders(limits: SandboxLimits) -> list[str]:
    """Return the interpreter's folders that stand outside the system's; a sandbox holds them too."""
    folders = {sys.base_prefix, os.path.realpath(sys.base_prefix)}
    if limits.packages:
        folders.add(sys.prefix)
    return sorted(path for path in folders if not path.startswith("/usr"))


def _system() -> tuple[list[tuple[str, str]], list[str]]:
    """Return (symbolic links with what they point at, folders and files) of the system's libraries."""
    present = [path for path in _SYSTEM if os.path.lexists(path)]
    links = [(path, str(Path(path).readlink())) for path in present if Path(path).is_symlink()]
    return links, [path for path in present if not Path(path).is_symlink()]
