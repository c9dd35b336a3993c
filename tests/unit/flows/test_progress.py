"""What a person sees of units under way: how far, how long still, and nothing of what has ended."""

import io
import threading
from collections.abc import Callable, Iterator

import pytest
from rich.console import Console

from quantgate.flows.progress.board import Board, PlainBoard
from quantgate.flows.progress.counting import Pace, counted, time_left
from quantgate.flows.progress.live_board import live_board
from quantgate.pipelines.process.calls import Progress


def at(done: int, total: int, what: str = "answering") -> Progress:
    return Progress(done=done, total=total, what=what)


class Clock:
    """Stands still until it is told how late it is."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (0, None, ""),
        (0, 0, ""),
        (12, None, "12"),
        (0, 400, "0 of 400"),
        (120, 400, "120 of 400"),
        (401, 400, "400 of 400"),
        (1_500, 20_000, "1,500 of 20,000"),
        (1_500_000, 20_000_000, "1.5 M of 20.0 M"),
    ],
)
def test_how_far_is_n_of_m_and_never_a_question_mark(
    done: int, total: int | None, text: str
) -> None:
    assert counted(done, total) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (5, "under a minute left"),
        (95, "about 2 min left"),
        (7000, "about 117 min left"),
        (9000, "about 2 h left"),
    ],
)
def test_the_time_left_is_said_as_well_as_it_is_known(seconds: float | None, text: str) -> None:
    assert time_left(seconds) == text


def test_the_pace_is_that_of_the_present_phase_without_what_was_found_done() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.seconds_left(at(100, 400)) is None, "found from an earlier try"
    clock.now = 10.0
    assert pace.seconds_left(at(150, 400)) == pytest.approx(50.0)
    assert pace.seconds_left(at(0, 30, "measuring")) is None, "another phase"
    clock.now = 12.0
    assert pace.seconds_left(at(3, 30, "measuring")) is None, "too early"
    clock.now = 20.0
    assert pace.seconds_left(at(10, 30, "measuring")) == pytest.approx(20.0)
    assert pace.seconds_left(at(10, 0, "measuring")) is None


def test_a_log_is_told_once_a_minute_how_far_a_unit_is() -> None:
    clock, lines = Clock(), list[str]()
    with PlainBoard(lines.append, clock).unit("answer", "demo--Q8_0") as hear:
        for second in range(0, 121):
            clock.now = float(second)
            hear(at(second, 400))
    assert lines == [
        "answer: demo--Q8_0",
        "answer: demo--Q8_0: 60 of 400, about 6 min left",
        "answer: demo--Q8_0: 120 of 400, about 5 min left",
        "answer: demo--Q8_0 done in 120 s",
    ]


@pytest.fixture
def screen() -> Console:
    """A terminal that remembers what was written to it."""
    return Console(file=io.StringIO(), force_terminal=True, width=160, height=40)


def last_frame(screen: Console) -> str:
    """What stands on the screen: rich erases a line with ESC[2K before it goes on."""
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue().rpartition("\x1b[2K")[2]


def run(board: Board, ending: BaseException | None = None) -> Iterator[None]:
    with board.unit("answer", "demo--[Q8_0]") as hear:
        hear(at(0, 0, "loading"))
        hear(at(3, 8))
        hear(at(0, 0, "saving"))
        yield
        if ending:
            raise ending


def test_a_finished_units_bar_is_gone_and_a_line_says_how_it_ended(screen: Console) -> None:
    with live_board(screen) as board:
        for _ in run(board):
            pass
        with pytest.raises(KeyboardInterrupt):
            for _ in run(board, KeyboardInterrupt()):
                pass
        assert board._bars.tasks == []
    written = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "✓ answer" in written.replace("\x1b[32m", "").replace("\x1b[0m", "").replace(
        "\x1b[1m", ""
    )
    assert "0/?" not in written and "?" not in written.replace("\x1b[?25", "")
    assert "━" not in last_frame(screen)


def test_no_bar_stays_where_the_board_ends_before_its_units(screen: Console) -> None:
    leave = threading.Event()

    def work(board: Board) -> None:
        for _ in run(board):
            leave.wait(10)

    with pytest.raises(KeyboardInterrupt), live_board(screen) as board:
        worker = threading.Thread(target=work, args=(board,))
        worker.start()
        while not board._bars.tasks:
            pass
        raise KeyboardInterrupt
    shown = last_frame(screen)
    leave.set()
    worker.join()
    assert "━" not in shown and "loading" not in shown


def test_a_bar_shows_n_of_m_the_phase_and_forgets_a_total_that_is_no_more(screen: Console) -> None:
    fields: list[tuple[object, ...]] = []
    with live_board(screen) as board, board.unit("answer", "demo") as hear:
        for progress in (at(3, 8), at(0, 0, "saving"), at(1, 2, "reading back")):
            hear(progress)
            (task,) = board._bars.tasks
            fields.append((task.total, task.fields["count"], task.fields["phase"]))
    assert fields == [
        (8, "3 of 8", "answering"),
        (None, "", "saving"),
        (2, "1 of 2", "reading back"),
    ]


def test_what_is_heard_after_a_units_end_is_dropped(screen: Console) -> None:
    late: list[Callable[[Progress], None]] = []
    with live_board(screen) as board:
        with board.unit("answer", "demo") as hear:
            late.append(hear)
        late[0](at(1, 2))
        assert board._bars.tasks == []
