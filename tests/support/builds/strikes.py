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
import subprocess
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
_CHILD_SECONDS = 2.0
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
StrikeAt = Callable[[int], bool]
"""Strikes a command's process, or something beside it; False where there was nothing to strike."""


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


def struck(road: Road, fault: str, stage: str, strike: StrikeAt) -> int | None:
    """Run the build and strike when the line of a stage comes; return the exit code.

    None where nothing was struck: that line never came, for its work is sealed, or nobody was there.
    """
    code, stages = struck_at_each(road, fault, (stage,), strike)
    return code if stages else None


def struck_at_each(
    road: Road, fault: str, stages: Sequence[str], strike: StrikeAt
) -> tuple[int, tuple[str, ...]]:
    """Run the build once and strike when the line of each stage comes; return its exit code and those stages.

    Nothing that was sealed is made again, no process and no lock is left, and what is said is no traceback.
    """
    before, said, hit = sealed(road), [], []
    with road.start(*road.build) as process:
        assert process.stderr is not None and process.stdout is not None
        for line in process.stderr:
            said.append(line)
            stage = next((each for each in stages if line.startswith(each)), None)
            if stage is None or stage in hit or " done in " in line:
                continue
            time.sleep(_DELAY_SECONDS)
            if strike(process.pid):
                hit.append(stage)
        said.append(process.stdout.read())
        code = process.wait()
    text = "".join(said)
    assert "Traceback" not in text, text
    assert before.items() <= sealed(road).items(), f"sealed work was done again:\n{text}"
    nothing_held(road)
    for stage in hit:
        note(fault, stage, code)
    return code, tuple(hit)


def completes(road: Road, *more: str) -> None:
    """Run the same command to its end: everything is there once, and nothing is left behind."""
    before = sealed(road)
    finished = road.run(*road.build, *more, "--json")
    assert finished.returncode in COMPLETE, finished.stderr
    assert before.items() <= sealed(road).items(), finished.stderr
    assert leftovers(road.store) == []
    assert sorted(road.identifiers.values()) == road.passing(finished.stdout) != []
    nothing_held(road)
    nothing_left(road)


def nothing_left(road: Road) -> None:
    """See that the temporary folder is empty."""
    left = [
        path.name
        for path in (road.folder / "tmp").iterdir()
        if not path.name.startswith(_CACHE_OF_TORCH)
    ]
    assert left == [], f"left in the temporary folder: {left}"


def nothing_held(road: Road) -> None:
    """See that within a minute no process works in the store any more, and that no lock in it is held."""
    deadline = time.monotonic() + _ENDED_SECONDS
    while (working_in(road) or locks_in(road)) and time.monotonic() < deadline:
        time.sleep(0.3)
    assert working_in(road) == [], f"left running: {working_in(road)}"
    assert locks_in(road) == [], f"locks that nobody holds who lives: {locks_in(road)}"


def locks_in(road: Road) -> list[Path]:
    """Return the locks of a store that are held, without those of its Prefect server."""
    of_the_server = ServerFolder.of(road.store).root
    return [
        path
        for path in road.store.rglob("*.lock")
        if path.parent != of_the_server and is_locked(path)
    ]


def working_in(road: Road) -> list[str]:
    """Return the processes of a store, without its Prefect server and who keeps it."""
    return [
        line
        for line in processes_of(road.store).splitlines()
        if not any(server in line for server in _SERVERS)
    ]


def signalled(number: signal.Signals) -> StrikeAt:
    """Return what sends a signal to the command."""

    def strike(command: int) -> bool:
        os.kill(command, number)
        return True

    return strike


def child_signalled(road: Road, number: signal.Signals) -> StrikeAt:
    """Return what sends a signal to the youngest child that works for a command."""

    def strike(_command: int) -> bool:
        child = youngest(road, ".workers.")
        if child is not None:
            os.kill(child, number)
        return child is not None

    return strike


def worker_killed(command: int) -> bool:
    """Kill one of the processes in which a command's units run."""
    listed = subprocess.run(
        ["ps", "-ww", "--ppid", str(command), "-o", "pid=,args="],
        capture_output=True,
        text=True,
        check=False,
    )
    workers = [line for line in listed.stdout.splitlines() if "multiprocessing.spawn" in line]
    if workers:
        os.kill(int(workers[-1].split()[0]), signal.SIGKILL)
    return bool(workers)


def child_starved(road: Road) -> StrikeAt:
    """Return what lets the youngest child of a store have no more memory than it has."""

    def strike(_command: int) -> bool:
        child = youngest(road, ".workers.")
        if child is not None:
            resource.prlimit(child, resource.RLIMIT_AS, (1 << 20, 1 << 20))
        return child is not None

    return strike


def youngest(road: Road, what: str) -> int | None:
    """Return the youngest process of a store whose command line holds a text, once there is one."""
    deadline = time.monotonic() + _CHILD_SECONDS
    while time.monotonic() < deadline:
        if pids := pids_of(road, what):
            return max(pids)
        time.sleep(0.02)
    return None


def pids_of(road: Road, what: str) -> list[int]:
    """Return the processes of a store whose command lines hold a text."""
    lines = [line for line in processes_of(road.store).splitlines() if what in line]
    return [int(found[0]) for line in lines if (found := re.findall(r"\d+", line))]


def table(strikes: list[Strike]) -> str:
    """Return strikes as a table in Markdown: a row a fault."""
    rows = ["| fault | points | at | the command ended with |", "|---|---|---|---|"]
    for fault in dict.fromkeys(strike.fault for strike in strikes):
        of_fault = [strike for strike in strikes if strike.fault == fault]
        stages = ", ".join(
            dict.fromkeys(strike.stage.removesuffix(" 1/").rstrip(":") for strike in of_fault)
        )
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
