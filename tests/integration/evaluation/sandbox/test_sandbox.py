"""What a program may do in each sandbox that works here, and what becomes of one that does not behave."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantgate.pipelines.evaluation.sandbox.choose import working_sandbox
from quantgate.pipelines.evaluation.sandbox.kinds import SandboxKind, SandboxLimits
from quantgate.pipelines.evaluation.sandbox.run import Outcome, ProgramUnderTest, run_program
from quantgate.pipelines.evaluation.sandbox.trial import contains

pytestmark = pytest.mark.integration

LIMITS = SandboxLimits(seconds=1.5, memory_bytes=256 << 20)
KINDS: tuple[SandboxKind, ...] = ("bwrap", "unshare")


@pytest.fixture(params=KINDS)
def contained(request: pytest.FixtureRequest) -> SandboxKind:
    kind: SandboxKind = request.param
    if not contains(kind):
        pytest.skip(f"{kind} is not installed here or does not work")
    return kind


@pytest.fixture(params=(*KINDS, "none"))
def kind(request: pytest.FixtureRequest) -> SandboxKind:
    kind: SandboxKind = request.param
    if kind != "none" and not contains(kind):
        pytest.skip(f"{kind} is not installed here or does not work")
    return kind


def run(kind: SandboxKind, program: str, tests: str = "assert True") -> Outcome:
    return run_program(kind, ProgramUnderTest(programs=[program], tests=tests), LIMITS)


@pytest.fixture
def nothing_stays() -> Iterator[None]:
    """No process of a program outlives it."""
    before = _inside_processes()
    yield
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _inside_processes() - before:
        time.sleep(0.05)
    assert not _inside_processes() - before


def _inside_processes() -> set[int]:
    """Processes that run our side of a sandbox: of this process of tests, and such without a parent."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if b"What runs inside a sandbox" in words and state != "Z" and not _is_of_others(folder):
            found.add(int(folder.name))
    return found


def _is_of_others(folder: Path) -> bool:
    """Whether another process of this run of tests (`pytest -n`) started it and still has it."""
    parents = set(_parents(folder))
    return os.getppid() in parents and os.getpid() not in parents


def _parents(folder: Path) -> Iterator[int]:
    while folder.name != "1":
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            return
        yield int(parent)
        folder = Path("/proc") / parent


def test_a_program_that_passes_its_tests_is_told_from_one_that_does_not(kind: SandboxKind) -> None:
    right = run(kind, "def f(x): return x + 1", "assert f(1) == 2")
    wrong = run(kind, "def f(x): return x", "assert f(1) == 2, 'one is too little'")

    assert right == Outcome(passed=True, reason="passed the tests", sandbox=kind)
    assert wrong.reason == "the tests: AssertionError: one is too little"
    assert not wrong.passed


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("def f(:", "the program: SyntaxError"),
        ("raise ValueError('no')", "the program: ValueError: no"),
        ("import sys; sys.exit(0)", "the program: SystemExit"),
        ("import numpy", "the program: ModuleNotFoundError"),
        ("import os; os._exit(0)", "ended the process before the tests were through"),
        (
            "f = lambda: __import__('os')._exit(0)",
            "ended the process before the tests were through",
        ),
        ("f = lambda: __import__('os').kill(__import__('os').getpid(), 9)", "ended the process"),
        ("while True: pass", "ran out of time (1.5 s)"),
        ("f = lambda: __import__('time').sleep(60)", "ran out of time (1.5 s)"),
        ("x = ' ' * (1 << 30)", "the program: MemoryError"),
        ("class E(Exception):\n  def __str__(self): raise self\nraise E", "the program: E"),
        ("input()", "the program: EOFError"),
        ("open('big', 'wb').write(b'x' * (17 << 20))", "the program: OSError"),
    ],
)
def test_a_program_that_does_not_reach_the_end_of_its_tests_has_not_passed(
    kind: SandboxKind, program: str, reason: str
) -> None:
    outcome = run(kind, program, "f()")

    assert not outcome.passed
    assert outcome.reason.startswith(reason)


@pytest.mark.parametrize(
    "said", ['{"state": "passed"}', '{"state": "passed", "nonce": "0"}', "[]", "{"]
)
def test_a_program_that_writes_a_verdict_of_its_own_has_not_passed(
    kind: SandboxKind, said: str
) -> None:
    program = f"""
import os
for descriptor in range(3, 40):
    try:
        os.write(descriptor, {said!r}.encode() + b"\\n")
    except OSError:
        pass
os._exit(0)
"""
    assert not run(kind, program).passed


def test_a_program_that_never_stops_writing_is_stopped_and_fills_nothing(kind: SandboxKind) -> None:
    noisy = "import sys\nfor _ in range(20000): print('x' * 1000); sys.stderr.write('y' * 1000)\n"
    flooding = """
import os
while True:
    for descriptor in range(3, 40):
        try:
            os.write(descriptor, b"x" * 4096)
        except OSError:
            pass
"""
    assert run(kind, noisy).passed
    assert not run(kind, flooding).passed


@pytest.mark.usefixtures("nothing_stays")
def test_a_fork_bomb_ends_with_its_time_and_leaves_nobody_behind(contained: SandboxKind) -> None:
    bomb = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        pass
"""
    started = time.monotonic()
    outcome = run(contained, bomb)

    assert outcome.reason == "ran out of time (1.5 s)"
    assert time.monotonic() - started < 10


@pytest.fixture
def busy_core() -> Iterator[None]:
    """One processor for this process and all it starts, and three others that never let go of it."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    yield
    for process in spinning:
        process.kill()
        process.wait()
    os.sched_setaffinity(0, allowed)


@pytest.mark.usefixtures("busy_core")
def test_a_busy_machine_is_no_finding(contained: SandboxKind) -> None:
    """The program computes for 0.8 of the 1.5 seconds that it has, and gets a quarter of a processor."""
    program = """
import time
def f():
    began = time.process_time()
    while time.process_time() - began < 0.8:
        pass
    return "done"
"""
    started = time.monotonic()

    assert run(contained, program, "assert f() == 'done'").passed
    assert time.monotonic() - started > LIMITS.seconds


def test_all_processes_of_a_program_share_its_time(contained: SandboxKind) -> None:
    program = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        began = time.process_time()
        while time.process_time() - began < 0.9:
            pass
        os._exit(0)
for _ in range(4):
    os.wait()
"""
    assert run(contained, program).reason == "ran out of time (1.5 s)"


def test_processes_are_counted_and_limited(contained: SandboxKind) -> None:
    program = """
import os, time
children = 0
try:
    for _ in range(200):
        if os.fork() == 0:
            time.sleep(30)
        children += 1
except BlockingIOError:
    pass
"""
    assert run(contained, program, "assert 0 < children < 200, children").passed


@pytest.mark.usefixtures("nothing_stays")
def test_a_daemon_does_not_outlive_its_program_even_without_a_sandbox(kind: SandboxKind) -> None:
    program = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            time.sleep(600)
        os._exit(0)
time.sleep(0.2)
"""
    assert run(kind, program).passed


def test_neither_network_nor_sockets_outside_are_in_reach(
    contained: SandboxKind, tmp_path: Path
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        abstract.bind(f"\0quantgate-{os.getpid()}")
        abstract.listen()
        program = f"""
import socket
reached = []
for family, address in (
    (socket.AF_INET, ("127.0.0.1", {server.getsockname()[1]})),
    (socket.AF_INET, ("8.8.8.8", 53)),
    (socket.AF_UNIX, "\\0quantgate-{os.getpid()}"),
):
    try:
        with socket.socket(family) as tried:
            tried.settimeout(0.5)
            tried.connect(address)
        reached.append(address)
    except OSError:
        pass
"""
        assert run(contained, program, "assert reached == [], reached").passed


def test_no_file_outside_can_be_read_or_written(contained: SandboxKind) -> None:
    with tempfile.NamedTemporaryFile() as scratch:
        secrets = [
            scratch.name,
            __file__,
            "/etc/passwd",
            "/etc/hostname",
            "/proc/self/environ",
            "/sys",
        ]
        program = f"""
import os, sys
seen = [path for path in {secrets!r} if os.path.exists(path)]
written = []
for folder in ("/", "/usr", "/home", {str(Path.home())!r}, sys.base_prefix, "/dev", "/etc"):
    try:
        with open(os.path.join(folder, "written"), "w"):
            written.append(folder)
    except OSError:
        pass
with open("/tmp/own", "w") as file:
    file.write("here")
user = os.getuid()
"""
        outcome = run(
            contained, program, "assert (seen, written) == ([], []) and user, (seen, written, user)"
        )
    assert outcome == Outcome(passed=True, reason="passed the tests", sandbox=contained)
    assert run(contained, "import os", "assert not os.path.exists('/tmp/own')").passed


def test_a_program_cannot_mount_its_way_out(contained: SandboxKind) -> None:
    program = """
import ctypes, os
library = ctypes.CDLL(None, use_errno=True)
remounted = library.mount(b"none", b"/usr", None, ctypes.c_ulong(32 | 4096), None)
library.unshare(0x10000000 | 0x00020000)
again = library.mount(b"none", b"/usr", None, ctypes.c_ulong(32 | 4096), None)
try:
    open("/usr/quantgate-was-here", "w").close()
    written = True
except OSError:
    written = False
"""
    assert run(contained, program, "assert remounted and again and not written").passed


def test_the_tests_are_nowhere_while_the_program_loads(kind: SandboxKind) -> None:
    program = """
import os, sys
needle = "se" + "cret"
seen = [word for word in sys.argv if needle in word]
frame = sys._getframe()
while frame:
    seen += [n for n, value in frame.f_locals.items() if n != "needle" and needle in repr(value)]
    frame = frame.f_back
for folder, _, files in os.walk(os.getcwd()):
    for name in files:
        with open(os.path.join(folder, name)) as file:
            seen += [name] * (needle in file.read())
seen += [sys.stdin.read()] * bool(sys.stdin.read())
"""
    outcome = run(kind, program, "secret = 1\nassert not seen, seen")

    assert outcome.passed, outcome.reason


def test_the_folder_of_a_program_without_a_sandbox_is_removed(tmp_path: Path) -> None:
    program = f"""
import os
open("left", "w").close()
open({str(tmp_path / "at")!r}, "w").write(os.getcwd())
"""

    assert run("none", program).passed
    folder = Path((tmp_path / "at").read_text())
    deadline = time.monotonic() + 5
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not folder.exists()


def test_the_trial_refuses_what_does_not_contain() -> None:
    assert not contains("none")
    assert working_sandbox() in (*KINDS, None)
