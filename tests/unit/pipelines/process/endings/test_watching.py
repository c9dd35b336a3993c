"""When a child counts as hung, by what the kernel counts of it and of those that it started."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.process.endings.watching import ChildWatch, hung_seconds

TICKS = 100


class Child:
    """A process as /proc tells of it, and a clock."""

    def __init__(self, processes: Path, limit_seconds: float = 60.0) -> None:
        self.processes, self.now = processes, 0.0
        self.tell(1, used_ticks=50)
        self.watch = ChildWatch(1, limit_seconds, clock=lambda: self.now, processes=processes)

    def tell(self, pid: int, used_ticks: int, children: str = "") -> None:
        folder = self.processes / str(pid)
        (folder / "task" / "1").mkdir(parents=True, exist_ok=True)
        (folder / "task" / "1" / "children").write_text(children)
        (folder / "stat").write_text(f"{pid} (py) (thon)) S 0 {'0 ' * 9}{used_ticks} 0 0 0 20")
        (folder / "status").write_text(f"VmHWM:\t{700_000 + pid} kB\n")

    def passes(self, seconds: int) -> bool:
        for _ in range(seconds):
            self.now += 1
            self.watch.look()
        return self.watch.hangs


def test_one_that_uses_no_processor_time_hangs_after_its_limit(tmp_path: Path) -> None:
    child = Child(tmp_path)
    assert not child.passes(60)
    assert child.passes(5)
    assert child.watch.peak_bytes == 700_001 * 1024


def test_one_that_says_something_or_computes_does_not(tmp_path: Path) -> None:
    child = Child(tmp_path)
    child.passes(50)
    child.watch.heard()
    assert not child.passes(50)
    child.tell(1, used_ticks=60)
    assert not child.passes(50)


def test_nor_does_one_whose_child_computes(tmp_path: Path) -> None:
    child = Child(tmp_path)
    child.tell(1, used_ticks=50, children="2 ")
    for used in range(5):
        child.tell(2, used_ticks=10 * used)
        assert not child.passes(50)


@pytest.mark.parametrize(("ticks_a_minute", "hangs"), [(0.1, True), (2.0, False)])
def test_a_thread_that_wakes_now_and_then_is_no_work_and_one_that_looks_at_a_lock_is(
    ticks_a_minute: float, hangs: bool, tmp_path: Path
) -> None:
    child = Child(tmp_path, limit_seconds=1800.0)
    for minute in range(40):
        child.tell(1, used_ticks=50 + int(minute * ticks_a_minute))
        child.passes(60)
    assert child.watch.hangs == hangs


def test_time_in_which_nobody_looked_does_not_count(tmp_path: Path) -> None:
    child = Child(tmp_path)
    child.passes(5)
    child.now += 7200
    child.watch.look()
    assert not child.watch.hangs


def test_where_nothing_is_told_nobody_hangs(tmp_path: Path) -> None:
    child = Child(tmp_path)
    (tmp_path / "1" / "stat").unlink()
    assert not child.passes(200)


def test_the_setting_is_minutes_and_nought_is_never() -> None:
    assert hung_seconds({}) == 1800
    assert hung_seconds({"QUANTGATE_HUNG_MINUTES": " 0.5 "}) == 30
    assert hung_seconds({"QUANTGATE_HUNG_MINUTES": "0"}) == float("inf")


@pytest.mark.parametrize("text", ["-1", "soon", "nan", "inf"])
def test_what_is_no_number_of_minutes_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no number of minutes"):
        hung_seconds({"QUANTGATE_HUNG_MINUTES": text})
