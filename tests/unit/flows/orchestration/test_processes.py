"""A pool of processes of which one was killed is told as that, and everything else as it is."""

from concurrent.futures.process import BrokenProcessPool

import pytest

from quantgate.flows.orchestration.runners.processes import process_errors
from quantgate.pipelines.domain.errors import WorkerError


@pytest.mark.parametrize("grouped", [False, True])
def test_a_killed_process_of_a_pool_is_no_fault_of_the_program(grouped: bool) -> None:
    broken: Exception = BrokenProcessPool("A process in the process pool was terminated abruptly")
    with pytest.raises(WorkerError, match="was killed") as caught, process_errors():
        raise ExceptionGroup("units", [broken]) if grouped else broken
    assert caught.value.exit_code == 5


def test_what_a_unit_raises_stays_as_it_is() -> None:
    with pytest.raises(KeyError), process_errors():
        raise KeyError("a bug")
