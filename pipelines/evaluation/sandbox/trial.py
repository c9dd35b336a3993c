"""The trial that a sandbox has to pass before it is trusted: a program that tries to get out."""

import os
import socket
import tempfile
from pathlib import Path

from quantgate.pipelines.evaluation.sandbox.kinds import SandboxKind, SandboxLimits, held_folders
from quantgate.pipelines.evaluation.sandbox.run import ProgramUnderTest, run_program
from quantgate.pipelines.evaluation.sandbox.talk import UnstartedError

_TRIAL = """
import os, socket, sys

def refused(act):
    try:
        act()
    except OSError:
        return True
    return False

def written(path):
    return lambda: open(path, "w")

listed = os.listdir(HOME) if os.path.isdir(HOME) else []
assert set(listed) <= set(HELD_OF_HOME), "the home folder is in reach"
assert not os.path.exists(OUTSIDE), "the system's scratch folder is in reach"
assert refused(written("/usr/trial")), "the system can be written"
assert refused(written(os.path.join(sys.base_prefix, "trial"))), "Python can be written"
assert refused(lambda: socket.create_connection(("127.0.0.1", PORT), 1.0)), "the network is in reach"
assert refused(lambda: os.kill(OUTER_PROCESS, 0)), "processes outside are in reach"
assert os.getuid() != 0, "it is root"
open("/tmp/own", "w").write("may be written")
contained = True
"""


def contains(kind: SandboxKind) -> bool:
    """Say whether a sandbox starts here and holds a program back from files, network and processes."""
    home = str(Path.home())
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.NamedTemporaryFile() as outside:
        facts = {
            "HOME": home,
            "HELD_OF_HOME": _held_of(home),
            "OUTSIDE": outside.name,
            "PORT": server.getsockname()[1],
            "OUTER_PROCESS": os.getpid(),
        }
        program = "\n".join(f"{name} = {value!r}" for name, value in facts.items()) + _TRIAL
        try:
            outcome = run_program(
                kind,
                ProgramUnderTest(programs=[program], tests="assert contained"),
                SandboxLimits(),
            )
        except (UnstartedError, OSError):
            return False
    return outcome.passed


def _held_of(home: str) -> list[str]:
    """Names in the home folder on the way to what the interpreter needs."""
    inside = [
        Path(path) for path in held_folders(SandboxLimits()) if Path(path).is_relative_to(home)
    ]
    return sorted({path.relative_to(home).parts[0] for path in inside if path != Path(home)})
