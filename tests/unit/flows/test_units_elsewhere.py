"""Units that other processes run are shown by the command, and told by `quantgate status`."""

from pathlib import Path

import pytest

from quantgate.flows.progress.board import PlainBoard
from quantgate.flows.progress.elsewhere import (
    SilentBoard,
    file_of_this_process,
    forget,
    shown_elsewhere,
    units_elsewhere,
)
from quantgate.flows.progress.recorded import RecordedBoard
from quantgate.pipelines.process.calls import Progress


@pytest.fixture
def worker(tmp_path: Path) -> RecordedBoard:
    """The board of another process."""
    return RecordedBoard(SilentBoard(), file_of_this_process(tmp_path))


def test_a_unit_of_another_process_begins_and_ends_on_the_commands_board(
    worker: RecordedBoard, tmp_path: Path
) -> None:
    lines: list[str] = []
    with shown_elsewhere(tmp_path, PlainBoard(lines.append)):
        with worker.unit("answer", "demo--Q8_0") as hear:
            hear(Progress(done=1, total=2, what="items"))
        with pytest.raises(ValueError), worker.unit("build", "demo--Q4_0"):
            raise ValueError
    assert lines[0::2] == ["answer: demo--Q8_0", "build: demo--Q4_0"]
    assert lines[1].startswith("answer: demo--Q8_0 done in")
    assert lines[3].startswith("build: demo--Q4_0 FAILED after")


def test_a_unit_whose_process_was_killed_has_failed_when_the_build_ends(
    worker: RecordedBoard, tmp_path: Path
) -> None:
    lines: list[str] = []
    with worker.unit("answer", "demo--Q8_0"), shown_elsewhere(tmp_path, PlainBoard(lines.append)):
        pass
    assert lines[-1].startswith("answer: demo--Q8_0 FAILED after")


def test_what_an_earlier_run_wrote_down_is_over(worker: RecordedBoard, tmp_path: Path) -> None:
    with worker.unit("answer", "demo--Q8_0"):
        assert [unit.step for unit in units_elsewhere(tmp_path)] == ["answer"]
    forget(tmp_path)
    assert units_elsewhere(tmp_path) == ()


def test_a_file_that_cannot_be_read_tells_nothing(worker: RecordedBoard, tmp_path: Path) -> None:
    with worker.unit("answer", "demo--Q8_0"):
        (file_of_this_process(tmp_path).parent / "other.json").write_text("{")
        assert len(units_elsewhere(tmp_path)) == 1
