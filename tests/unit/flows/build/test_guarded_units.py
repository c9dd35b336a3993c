"""A unit under guard: its last error is kept for the report, an interruption is not, success forgets."""

from pathlib import Path

import pytest

from quantgate.flows.build.errors import failures_kept, guarded, read_errors, record_error
from quantgate.pipelines.domain.errors import InterruptionError, QuantgateError, WorkerError
from tests.support.builds.faked import faked_build
from tests.support.fakes import FakeBackend, FakeRuntime


def test_an_error_of_ours_is_kept_and_raised_as_it_is(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    with pytest.raises(WorkerError), guarded(here, "demo--Q8_0", "audit"):
        raise WorkerError("crashed")
    (error,) = read_errors(here.plan, here.settings)
    assert (error.identifier, error.step, error.exit_code) == ("demo--Q8_0", "audit", 5)


def test_what_nobody_thought_of_becomes_an_error_of_ours(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    with (
        pytest.raises(QuantgateError, match="unexpected ZeroDivisionError"),
        guarded(here, "demo--Q8_0", "judge"),
    ):
        _ = 1 / 0
    (error,) = read_errors(here.plan, here.settings)
    assert "demo--Q8_0: unexpected ZeroDivisionError" in error.text


def test_an_interruption_is_nothing_that_was_found_out(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    with pytest.raises(InterruptionError), guarded(here, "demo--Q8_0", "build"):
        raise InterruptionError("was interrupted")
    assert read_errors(here.plan, here.settings) == ()


def test_of_several_that_keep_failures_of_one_unit_none_forgets_anothers(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    with pytest.raises(WorkerError), failures_kept(here, "base in llamacpp", "reference"):
        raise WorkerError("crashed")
    with failures_kept(here, "base in llamacpp", "reference"):
        pass
    assert len(read_errors(here.plan, here.settings)) == 1


def test_a_unit_that_succeeds_forgets_what_an_earlier_try_left(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    record_error(here, "demo--Q8_0", "build", WorkerError("crashed"))
    with guarded(here, "demo--Q8_0", "build"):
        pass
    assert read_errors(here.plan, here.settings) == ()
