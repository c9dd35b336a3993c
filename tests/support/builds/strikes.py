"""Faults that strike a command at a stage, what has to hold afterwards, and the table of all of them.

Each stage of a command is struck once on one store: the next try goes on where the last one was struck, and
the last one completes. `python -m tests.support.builds.strikes FILE… DOCUMENT` writes the table of files of
strikes into a document, in place of the one that stands there.
"""

import json
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from quantgate.flows.orchestration.server.state import ServerFolder, is_locked
from tests.support.builds.processes import processes_of
from tests.support.builds.road import Road, leftovers, make_road

FILE_VARIABLE = "QUANTGATE_FAULTS_FILE"
"""Names the file that strikes are appended to, a line of JSON each."""

STAGES = (
    "resolving", "assembling corpus", "load base:", "audit: base", "compare with the checkpoint:",
    "reference 1/", "build:", "audit: support", "audit: 1 ruler", "answer:", "register:",
)  # fmt: skip
"""How the lines begin at which is struck, in the order of a build."""
WITH_CHILDREN = (
    "load base:", "audit: base", "compare with the checkpoint:", "reference 1/", "build:", "audit: 1 ruler",
    "answer:",
)  # fmt: skip
COMPLETE = (0, 11)
_CACHE_OF_TORCH = "torchinductor_"
"""The folder that torch makes when it is imported, one for each user of a machine; it stays empty here."""
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
_DELAY_SECONDS = 0.2
_ENDED_SECONDS = 60.0
_SERVERS = ("orchestration.server.keeper",)
"""The project's Prefect server, which `quantgate up` had stay between commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A fault at a stage; `code` is the command's exit code, negative for a signal's number."""

    fault: str
    stage: str
    code: int


STRIKES: list[Strike] = []


def note(fault: str, stage: str, code: int) -> None:
    """Remember a strike, and write it down where a file is named."""
    STRIKES.append(Strike(fault=fault, stage=stage, code=code))
    if file := os.environ.get(FILE_VARIABLE):
        with Path(file).open("a") as lines:
            lines.write(json.dumps(asdict(STRIKES[-1])) + "\n")


def small_road(folder: Path, *variables: tuple[str, str]) -> Road:
    """A build of one recipe on 18 items, which passes, with a temporary folder of its own."""
    made = make_road(folder, ("Q8_0",), items_a_slice=2)
    (folder / "policy.yaml").write_text("reference_runs: 1\nmax_break_rate: 0.5\n")
    (folder / "tmp").mkdir()
    return replace(made, variables=(("TMPDIR", str(folder / "tmp")), *variables))


def sealed(road: Road) -> dict[str, int]:
    """Modification times of everything sealed so far."""
    return {
        str(path.relative_to(road.store)): path.stat().st_mtime_ns
        for folder in ("variants", "runs", "audits", "corpora")
        for path in (road.store / folder).rglob("manifest.json")
        if ".staging-" not in str(path)
    }


def struck(
    road: Road,
    fault: str,
    stage: str,
    strike: Callable[[int], None],
    delay_seconds: float = _DELAY_SECONDS,
) -> int | None:
    """Run the build and strike its process when the line of a stage comes; return the exit code.

    None where that line never came: its work is sealed. Nothing that was sealed is made again, no process and
    no lock is left, and what is said is no traceback.
    """
    before, said, came = sealed(road), [], False
    with road.start(*road.build) as process:
        assert process.stderr is not None and process.stdout is not None
        for line in process.stderr:
            said.append(line)
            if not came and line.startswith(stage) and " done in " not in line:
                came = True
                time.sleep(delay_seconds)
                strike(process.pid)
        said.append(process.stdout.read())
        code = process.wait()
    text = "".join(said)
    assert "Traceback" not in text, text
    assert before.items() <= sealed(road).items(), f"sealed work was done again:\n{text}"
    nothing_held(road)
    if not came:
        return None
    note(fault, stage, code)
    return code


def completes(road: Road, *more: str) -> None:
    """Run the same command to its end: everything is there once, and nothing is left behind."""
    before = sealed(road)
    finished = road.run(*road.build, *more, "--json")
    assert finished.returncode in COMPLETE, finished.stderr
    assert before.items() <= sealed(road).items(), finished.stderr
    assert leftovers(road.store) == []
    assert sorted(road.identifiers.values()) == road.passing(finished.stdout) != []
    nothing_held(road)
    left = [
        path.name
        for path in (road.folder / "tmp").iterdir()
        if not path.name.startswith(_CACHE_OF_TORCH)
    ]
    assert left == [], f"left in the temporary folder: {left}"


def nothing_held(road: Road) -> None:
    """See that no process works in the store any more, and that no lock in it is held."""
    deadline = time.monotonic() + _ENDED_SECONDS
    while working_in(road) and time.monotonic() < deadline:
        time.sleep(0.3)
    assert working_in(road) == [], f"left running: {working_in(road)}"
    held = [
        path
        for path in road.store.rglob("*.lock")
        if path.parent != ServerFolder.of(road.store).root and is_locked(path)
    ]
    assert held == [], f"locks that nobody holds who lives: {held}"


def working_in(road: Road) -> list[str]:
    """Return the processes of a store, without its Prefect server and who keeps it."""
    return [
        line
        for line in processes_of(road.store).splitlines()
        if not any(server in line for server in _SERVERS)
    ]


def signalled(number: signal.Signals) -> Callable[[int], None]:
    """Return what sends a signal to the command."""
    return lambda pid: os.kill(pid, number)


def child_signalled(
    road: Road, number: signal.Signals, what: str = ".workers."
) -> Callable[[int], None]:
    """Return what sends a signal to the youngest process of a store whose command line holds a text.

    It waits two seconds for one: a stage's line comes before its child.
    """

    def strike(_command: int) -> None:
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            if pids := pids_of(road, what):
                os.kill(max(pids), number)
                return
            time.sleep(0.02)

    return strike


def child_starved(road: Road) -> Callable[[int], None]:
    """Return what lets the youngest child of a store have no more memory than it has."""

    def strike(_command: int) -> None:
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            if pids := pids_of(road, ".workers."):
                resource.prlimit(max(pids), resource.RLIMIT_AS, (1 << 20, 1 << 20))
                return
            time.sleep(0.02)

    return strike


def pids_of(road: Road, what: str) -> list[int]:
    """Return the processes of a store whose command lines hold a text."""
    lines = [line for line in processes_of(road.store).splitlines() if what in line]
    return [int(found[0]) for line in lines if (found := re.findall(r"\d+", line))]


def table(strikes: list[Strike]) -> str:
    """Return strikes as a table in Markdown: a row a fault."""
    rows = ["| fault | points | at | the command ended with |", "|---|---|---|---|"]
    for fault in dict.fromkeys(strike.fault for strike in strikes):
        of_fault = [strike for strike in strikes if strike.fault == fault]
        stages = ", ".join(dict.fromkeys(strike.stage.rstrip(" :/1") for strike in of_fault))
        codes = ", ".join(map(str, sorted({strike.code for strike in of_fault})))
        rows.append(f"| {fault} | {len(of_fault)} | {stages} | {codes} |")
    rows.append(f"| **all** | **{len(strikes)}** | | |")
    return "\n".join(rows) + "\n"


def write_table(files: Sequence[Path], document: Path) -> None:
    """Write the table of files of strikes into a document."""
    lines = [line for file in files for line in file.read_text().splitlines()]
    written = table([Strike(**json.loads(line)) for line in lines])
    document.write_text(_TABLE.sub(lambda _: written, document.read_text(), count=1))


if __name__ == "__main__":
    *files, document = map(Path, sys.argv[1:])
    write_table(files, document)
