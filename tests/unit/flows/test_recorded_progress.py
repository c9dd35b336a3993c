"""How far a build is can be told from any terminal: it is written down while its units run."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from quantgate.flows.build.clearing.usage import in_use
from quantgate.flows.build.plan_files import write_plan
from quantgate.flows.build.states.builds import progress_file, store_state
from quantgate.flows.cli.main import main
from quantgate.flows.cli.views.running.activity import progress_lines
from quantgate.flows.progress.board import PlainBoard
from quantgate.flows.progress.clocks import SteadyClock
from quantgate.flows.progress.recorded import RecordedBoard, read_progress
from quantgate.flows.progress.times import unit_times
from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.files.second_level import saying, while_waiting
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import Progress
from tests.support.builds.faked import faked_build
from tests.support.fakes import FakeBackend, FakeRuntime


class Clock:
    """Seconds that pass when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "progress.json"


@pytest.fixture
def board(file: Path, clock: Clock) -> RecordedBoard:
    return RecordedBoard(PlainBoard(write=lambda _: None), file, lambda: clock)


def test_work_after_a_wait_that_failed_is_work_and_a_wait_within_a_wait_ends_neither(
    board: RecordedBoard, file: Path, clock: Clock
) -> None:
    with board.unit("build", "demo--Q8_0"):
        with suppress(ServiceError), saying("fetching it"):
            clock.now += 10
            raise ServiceError("the shared store does not answer")
        clock.now += 600
        with while_waiting("waiting for a place"):
            with saying("waiting for another host"):
                clock.now += 50
            (unit,) = read_progress(file).units
            assert unit.phase == "waiting for a place"
            clock.now += 300
        clock.now += 5
    line = json.loads((file.parent / "log.jsonl").read_text().splitlines()[-1])
    assert line["seconds"] == 605.0


def test_what_a_unit_waits_for_is_written_down(
    board: RecordedBoard, file: Path, clock: Clock
) -> None:
    with board.unit("answer", "demo--Q8_0"):
        clock.now += 10
        with while_waiting("waiting for desk (process 7), which makes runs/a--1"):
            (unit,) = read_progress(file).units
            assert unit.phase == "waiting for desk (process 7), which makes runs/a--1"
            clock.now += 100
        clock.now += 10
        with while_waiting("fetching it"):
            clock.now += 1000
    (unit,) = read_progress(file).units
    assert unit.phase == ""
    (took,) = unit_times(file.parent)
    assert took.seconds == 20.0, "waits are no work of the unit"


def test_a_unit_is_written_down_from_its_beginning_to_its_end(
    board: RecordedBoard, file: Path, clock: Clock
) -> None:
    with board.unit("answer", "demo--Q8_0") as hear:
        assert read_progress(file).units[0].percent is None
        for done in (0, 30):
            clock.now += 10
            hear(Progress(done=done, total=120, what="items"))
        (unit,) = read_progress(file).units
        assert (unit.percent, unit.phase, unit.left_seconds) == (25.0, "items", 30.0)
        clock.now += 30
    (unit,) = read_progress(file).units
    assert (unit.ended_at, unit.failed, unit.percent) == (1050.0, False, 100.0)


def test_a_time_of_day_that_is_set_back_makes_no_duration_shorter() -> None:
    days, steady = iter((5000.0, 1400.0)), iter((70.0, 71.0, 101.0, 102.0, 102.0))
    clock = SteadyClock(lambda: next(days), lambda: next(steady))
    assert (clock(), clock()) == (5001.0, 5031.0)
    later = SteadyClock(lambda: next(days), lambda: next(steady))
    assert later() == 1400.0


def test_a_unit_that_fails_is_written_down_as_failed(board: RecordedBoard, file: Path) -> None:
    with pytest.raises(ValueError), board.unit("build", "demo--Q8_0"):
        raise ValueError
    assert [unit.failed for unit in read_progress(file).units] == [True]


def test_it_is_written_once_a_second_at_most(
    board: RecordedBoard, file: Path, clock: Clock
) -> None:
    with board.unit("answer", "demo--Q8_0") as hear:
        for done in range(10):
            clock.now += 0.1
            hear(Progress(done=done, total=120, what="items"))
        assert read_progress(file).units[0].done in (0, 9)
        clock.now += 1
        hear(Progress(done=11, total=120, what="items"))
        assert read_progress(file).units[0].done == 11


def test_tokens_a_second_are_those_of_the_answers_since_the_first(
    board: RecordedBoard, file: Path, clock: Clock
) -> None:
    with board.unit("answer", "demo--Q8_0") as hear:
        for seconds, done, tokens in ((20, 0, 0), (0, 8, 400), (2, 16, 900), (2, 24, 1200)):
            clock.now += seconds
            what = "answering" if tokens else "loading the model"
            hear(Progress(done=done, total=120, what=what, tokens=tokens))
        (unit,) = read_progress(file).units
    assert (unit.tokens, unit.tokens_per_second) == (1200, 200.0)


def test_what_begins_and_ends_is_a_line_each_for_programs(
    board: RecordedBoard, file: Path, clock: Clock
) -> None:
    with board.unit("answer", "demo--Q8_0"):
        clock.now += 30
    with pytest.raises(ValueError), board.unit("build", "demo--Q4_0"):
        raise ValueError
    lines = [json.loads(line) for line in (file.parent / "log.jsonl").read_text().splitlines()]
    assert [(line["event"], line["step"]) for line in lines] == [
        ("began", "answer"),
        ("done", "answer"),
        ("began", "build"),
        ("failed", "build"),
    ]
    assert (lines[1]["seconds"], lines[1]["build"]) == (30.0, file.parent.name)


def test_the_memory_of_a_build_is_that_of_its_process_and_its_children(
    board: RecordedBoard, file: Path
) -> None:
    with board.unit("answer", "demo--Q8_0"):
        resident = read_progress(file).resident_bytes
    assert resident is not None and resident > 10_000_000


def test_a_disk_that_is_full_stops_no_unit(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "a file").write_text("")
    board = RecordedBoard(
        PlainBoard(write=lambda _: None), tmp_path / "a file" / "progress.json", lambda: clock
    )
    with board.unit("answer", "demo--Q8_0") as hear:
        hear(Progress(done=1, total=2, what="items"))


@pytest.fixture
def planned(tmp_path: Path) -> Iterator[tuple[Store, str]]:
    store = Store(root=tmp_path / "store")
    plan = faked_build(tmp_path, FakeBackend(), FakeRuntime()).plan
    write_plan(plan, store)
    yield store, plan.name


def test_a_build_runs_while_somebody_runs_it_and_has_stopped_afterwards(
    planned: tuple[Store, str], clock: Clock
) -> None:
    store, name = planned
    board = RecordedBoard(
        PlainBoard(write=lambda _: None), progress_file(store, name), lambda: clock
    )
    with in_use(store) as use, board.unit("answer", "demo--Q8_0") as hear:
        assert store_state(store).planning == 1
        use.runs(name)
        clock.now += 10
        hear(Progress(done=30, total=120, what="items"))
        clock.now += 10
        hear(Progress(done=60, total=120, what="items", tokens=1500))
        state = store_state(store)
        assert [build.state for build in state.builds] == ["running"]
        assert (
            "  answer: demo--Q8_0  items, 60 of 120, 50%, 3.0 a second, 150 tokens a second, "
            "under a minute left, 20 s so far" in progress_lines(state, clock.now)
        )
    assert [build.state for build in store_state(store, name[:8]).builds] == ["stopped"]


def test_the_command_tells_as_text_and_as_json(planned: tuple[Store, str]) -> None:
    store, name = planned

    def run(*arguments: str) -> str:
        finished = CliRunner().invoke(main, [*arguments, "--store", str(store.root)])
        assert finished.exit_code == (12 if "nothing" in arguments else 0), finished.output
        return finished.output

    assert f"{name}  stopped" in run("status")
    assert json.loads(run("status", "--json"))["builds"][0]["name"] == name
    assert json.loads(run("status", "--follow", "--json"))["planning"] == 0
    assert f"builds: {name}" in run("status", "nothing")


def test_the_latest_log_of_a_unit_is_printed(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir(parents=True)
    (folder / "build-demo--Q8_0--1.log").write_text("quantizing\n")
    finished = CliRunner().invoke(main, ["logs", "Q8_0", "--store", str(tmp_path)])
    assert "quantizing" in finished.output
    missing = CliRunner().invoke(main, ["logs", "Q4", "--store", str(tmp_path)])
    assert missing.exit_code == 12
    assert "has no log in this store" in missing.output
