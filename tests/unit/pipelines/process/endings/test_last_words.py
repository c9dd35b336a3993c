"""What a dead program said: the reason, out of what stands around it and before it."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.process.calls import WorkerCall, ignore_progress
from quantgate.pipelines.process.endings.last_words import last_words, words_of
from quantgate.pipelines.process.runner import run_worker
from tests.support.children.workers import Done, Order


def test_complaints_are_told_and_chatter_is_not(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "load: 49152 tokens\nload: newline token not found\nprint_info: type = SPM\n"
        "terminate called after throwing an instance of 'std::out_of_range'\n  what():  at\n\n"
    )
    assert last_words(log, 0) == (
        "load: newline token not found; terminate called after throwing an instance of "
        "'std::out_of_range'; what():  at"
    )


def test_without_a_complaint_the_last_line_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\ntwo\n")
    assert last_words(log, 0) == "two"


def test_what_another_program_said_before_is_not_its_own(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("error: of yesterday\n")
    assert last_words(log, log.stat().st_size) == ""


def test_a_line_without_an_end_is_cut(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("failed: " + "x" * 100_000)
    assert len(last_words(log, 0)) < 400


@pytest.mark.parametrize(
    ("act", "told"),
    [
        ("complain then SIGABRT", "was killed by SIGABRT: error: no newline token"),
        ("SIGABRT", "was killed by SIGABRT"),
        ("complain then SIGKILL", "was killed by SIGKILL (often: out of memory)"),
    ],
)
def test_a_worker_that_aborts_ends_the_sentence_with_its_last_words(
    tmp_path: Path, act: str, told: str
) -> None:
    (tmp_path / "log").write_text("error: of an earlier call\n")
    call = WorkerCall(
        module="tests.support.children.workers",
        request=Order(act=act, path=tmp_path / "trace"),
        log=tmp_path / "log",
        threads=1,
    )
    with pytest.raises(WorkerError) as caught:
        run_worker(call, Done, ignore_progress)
    assert caught.value.what == told


def check(vocabulary: int, rows: int) -> None:
    if vocabulary > rows:
        raise AssertionError  # as a plain `assert` does


def test_kind_and_words_stand_on_one_line() -> None:
    assert words_of(ValueError("no\n  such tensor")) == "ValueError: no such tensor"


def test_without_words_the_line_that_raised_it_tells() -> None:
    with pytest.raises(AssertionError) as caught:
        check(3, 2)
    said = words_of(caught.value)
    assert said == "AssertionError: raise AssertionError  # as a plain `assert` does (check)"


def test_one_that_was_never_raised_says_its_kind() -> None:
    assert words_of(KeyError()) == "KeyError"
