"""What has the kernel hold a program back, for want of bubblewrap: namespaces, a root of our own, no rights.

Sent into the sandbox as text and run there (`inside`), so standard library only. Nothing of this project is
in reach afterwards.
"""

import contextlib
import ctypes
import os
import signal
from pathlib import Path
from typing import Any, NoReturn

NOBODY = 65534
"""The user that a program runs as where we are root; limits on processes do not bind root."""

SET_PDEATHSIG, SET_DUMPABLE, SET_CHILD_SUBREAPER = 1, 4, 36
"""What `prctl` sets."""

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
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_CAPABILITY_VERSION_3 = 0x20080522
_DEVICES = ("null", "zero", "random", "urandom")
_NEW_ROOT = "/tmp"


def enter(order: dict[str, Any]) -> None:
    """Go on as process 1 of new namespaces with a root of our own; the outer process waits and ends.

    Root needs no user namespace: it becomes nobody afterwards, for whom limits bind.
    """
    user, group = os.getuid(), os.getgid()
    namespaces = [name for name in _CLONE_NEW if name != "user" or os.geteuid() != 0]
    call("unshare", sum(_CLONE_NEW[name] for name in namespaces))
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
        become_nobody()
    _drop_capabilities()
    call("prctl", SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    program = os.fork()  # process 1 would be deaf to the signals that end a program
    if program:
        _wait_for_program(program)


def call(name: str, *arguments: Any) -> None:
    """Call a function of the C library.

    Raises:
        OSError: where it does not return 0.
    """
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


def _wait_for(child: int) -> NoReturn:
    """Wait; kill the child when told to end, or when the one who asked for all this dies."""

    def end(*_: object) -> None:
        os.kill(child, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    call("prctl", SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
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
    call("pivot_root", _NEW_ROOT, _NEW_ROOT + "/old")
    os.chdir("/")
    call("umount2", "/old", _MNT_DETACH)
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
    call(
        "syscall",
        _SYS_MOUNT_SETATTR,
        _AT_FDCWD,
        path,
        _AT_RECURSIVE,
        attributes,
        size,
    )


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    call("mount", source, target, kind, flags, options or None)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def become_nobody() -> None:
    """Go on as a user who owns nothing."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _drop_capabilities() -> None:
    """Give up every capability for good; nothing that is executed can gain one."""
    for capability in range(64):
        with contextlib.suppress(OSError):  # unknown to this kernel, or given up with the user
            call("prctl", _PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    call("capset", header, (ctypes.c_uint32 * 6)())
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
