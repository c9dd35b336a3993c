"""What runs inside a sandbox: an answer's program, a suite's tests, or a tool's function. One of them.

Started as `python -c <this file's text> KIND` with nothing of this project in reach; standard library
only. Speaks JSON lines on standard input and output:

- in: one line, the `Order`; out: `{"state": "ready"}` once all limits are in force;
- where the program runs, out: `{"state": "loaded", "names": [...]}` or `{"state": "failed", "what": str}`;
- where the tests run, in: one line with them; out at last: `{"state": "passed"}` or `{"state": "failed", …}`;
- in between, questions and replies of the two (`judged.peer`), which who started both passes on.

A program can say what it likes: it is never asked for a verdict, and what tests expect is in another process.
"""

import contextlib
import ctypes
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

NOBODY = 65534
"""The user that a program runs as where we are root; limits on processes do not bind root."""

_CLONE_NEW = {
    "mount": 0x00020000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
_MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 32, 4096, 16384, 1 << 18
_MS_RDONLY = 1
_MNT_DETACH = 2
_SYS_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_READ_ONLY_NO_SUID_NO_DEVICES = 1 | 2 | 4
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
_PR_SET_DUMPABLE = 4
_SENT = "quantgate.pipelines.evaluation.sandbox.judged"
_CAPABILITY_VERSION_3 = 0x20080522
_DEVICES = ("null", "zero", "random", "urandom")
_NEW_ROOT = "/tmp"


def main() -> NoReturn:
    """Isolate this process as KIND asks, then run what the order says."""
    kind = sys.argv[1]
    order = json.loads(_read_line(0))
    if kind == "unshare":
        _enter_namespaces(order)
    elif kind == "none":
        _guard_a_child()
    if kind != "none" and os.geteuid() == 0:
        _become_nobody()
    _limit(order)
    if "call" in order:
        _compute(order)
    _play(order)


def _compute(order: dict[str, Any]) -> NoReturn:
    """Call one function of a program and say its value as text: text as it stands, the rest as JSON.

    Out, after `{"state": "ready"}`: one line, `{"state": "value", "value": str}` or
    `{"state": "failed", "what": str}`.
    """
    answer = os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    _say(answer, state="ready")
    call = order["call"]
    module = types.ModuleType("tools")
    try:
        exec(compile(order["programs"][0], "<tools>", "exec"), module.__dict__)
        value = module.__dict__[call["name"]](**call["arguments"])
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if len(text) > call["characters"]:
            raise ValueError(f"its result is longer than {call['characters']:,} characters")
    except BaseException as error:  # noqa: BLE001 - a function may raise anything, SystemExit too
        _say(answer, state="failed", what=_named(error))
        os._exit(0)
    _say(answer, state="value", value=text)
    os._exit(0)


def _read_line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(descriptor, 65536)
        if not chunk:
            os._exit(3)
        line += chunk
    return line


def _play(order: dict[str, Any]) -> NoReturn:
    """Run the program and do what is asked of it, or run tests; standard streams lead nowhere meanwhile."""
    question, answer = os.dup(0), os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    if sys.platform == "linux":  # nobody reads its memory, nor follows its steps
        _call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)
    modules = {name: _loaded(name, text) for name, text in order["modules"].items()}
    lines = modules[f"{_SENT}.peer"].Lines(question, answer)
    lines.say({"state": "ready"})
    if "programs" in order:
        with contextlib.suppress(BaseException):  # what it says of itself is of no interest
            modules[f"{_SENT}.program"].serve(lines, order["programs"])
    else:
        modules[f"{_SENT}.checks"].run(lines, lines.hear())
    os._exit(0)


def _loaded(name: str, text: str) -> Any:
    """Make a module of its text: nothing of this project is in reach here."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(text, f"<{name}>", "exec"), module.__dict__)
    return module


def _say(descriptor: int, **words: str) -> None:
    os.write(descriptor, json.dumps(words).encode() + b"\n")


def _named(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 – an answer's own exception class can do this
        text = ""
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


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


def _call(name: str, *arguments: Any) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    passed = [
        argument.encode() if isinstance(argument, str) else argument for argument in arguments
    ]
    passed = [
        ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in passed
    ]
    if getattr(library, name)(*passed) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _enter_namespaces(order: dict[str, Any]) -> None:
    """Go on as process 1 of new namespaces with a root of our own; the outer process waits and ends.

    Root needs no user namespace: it becomes nobody afterwards, for whom limits bind.
    """
    user, group = os.getuid(), os.getgid()
    namespaces = [name for name in _CLONE_NEW if name != "user" or os.geteuid() != 0]
    _call("unshare", sum(_CLONE_NEW[name] for name in namespaces))
    if "user" in namespaces:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
        with contextlib.suppress(OSError):  # no user namespaces inside this one
            _write("/proc/sys/user/max_user_namespaces", "0")
    child = os.fork()
    if child:
        _wait_for(child)
    os.setsid()
    _build_root(order)
    if os.geteuid() == 0:
        _become_nobody()
    _drop_capabilities()
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    program = os.fork()  # process 1 would be deaf to the signals that end a program
    if program:
        _wait_for_program(program)


def _wait_for(child: int) -> NoReturn:
    """Wait; kill the child when told to end, or when the one who asked for all this dies."""

    def end(*_: object) -> None:
        os.kill(child, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    for stream in (0, 1):
        os.close(stream)
    _, status = os.waitpid(child, 0)
    os._exit(0 if status == 0 else 1)


def _wait_for_program(program: int) -> NoReturn:
    """As process 1: when it ends, the kernel ends everything else in its namespace."""
    for stream in (0, 1):
        os.close(stream)
    while os.waitpid(-1, 0)[0] != program:
        pass
    os._exit(0)


def _build_root(order: dict[str, Any]) -> None:
    """Make a root that holds what the interpreter needs, read-only, a few devices and an empty /tmp."""
    os.umask(0o022)
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    devices = [f"/dev/{name}" for name in _DEVICES]
    opened = {path: os.open(path, os.O_PATH) for path in (*order["readable"], *devices)}
    _mount("tmpfs", _NEW_ROOT, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=0755")
    for target, link in order["links"]:
        Path(_NEW_ROOT + target).symlink_to(link)
    for path in order["readable"]:
        _bind(path, opened[path])
        _make_read_only(_NEW_ROOT + path)
    for path in devices:
        _bind(path, opened[path])
    Path(_NEW_ROOT, "tmp").mkdir(exist_ok=True)
    options = f"size={order['scratch_bytes']},mode=1777"
    _mount("tmpfs", _NEW_ROOT + "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV, options)
    Path(_NEW_ROOT, "old").mkdir()
    _call("pivot_root", _NEW_ROOT, _NEW_ROOT + "/old")
    os.chdir("/")
    _call("umount2", "/old", _MNT_DETACH)
    Path("/old").rmdir()
    _mount("none", "/", None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
    os.chdir("/tmp")


def _bind(path: str, opened: int) -> None:
    """By its descriptor, as the new root may hide what it is to hold."""
    target = Path(_NEW_ROOT + path)
    if Path(path).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(f"/proc/self/fd/{opened}", str(target), None, _MS_BIND | _MS_REC)
    os.close(opened)


def _make_read_only(path: str) -> None:
    """With all mounts below it; by the system call, for which the C library has no name everywhere."""
    attributes = (ctypes.c_uint64 * 4)(_READ_ONLY_NO_SUID_NO_DEVICES, 0, 0, 0)
    size = ctypes.sizeof(attributes)
    _call(
        "syscall",
        _SYS_MOUNT_SETATTR,
        _AT_FDCWD,
        path,
        _AT_RECURSIVE,
        attributes,
        size,
    )


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    _call("mount", source, target, kind, flags, options or None)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _drop_capabilities() -> None:
    """Give up every capability for good; nothing that is executed can gain one."""
    for capability in range(64):
        with contextlib.suppress(OSError):  # unknown to this kernel, or given up with the user
            _call("prctl", _PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _guard_a_child() -> None:
    """Without a sandbox: go on as a child in a folder of its own; the outer process cleans up after it."""
    scratch = tempfile.mkdtemp(prefix="quantgate-unsandboxed-")
    if sys.platform == "linux":
        _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork()
    if child:
        _guard(child, scratch)
    os.setsid()
    os.chdir(scratch)
    os.environ |= {"HOME": scratch, "TMPDIR": scratch}


def _guard(child: int, scratch: str) -> NoReturn:
    def end(*_: object) -> None:
        _kill_descendants(child)
        shutil.rmtree(scratch, ignore_errors=True)
        os._exit(1)

    signal.signal(signal.SIGTERM, end)
    if sys.platform == "linux":
        _call("prctl", _PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
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
