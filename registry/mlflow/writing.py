"""Writing to a registry that others write to, too: what collides is written again, what is gone is gone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep

from mlflow.exceptions import MlflowException

ABSENT = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}
"""MLflow's codes for what is not there."""
_COLLISION = "IntegrityError"
_WAITS_SECONDS = (0.05, 0.2, 0.8)


def write(call: Callable[[], object]) -> None:
    """Write, and again where another process wrote the same row just then.

    MLflow looks for a row and inserts it where there is none, in two steps: of two that do so at the same
    moment its database refuses one (`IntegrityError`), which finds the row when it looks again.
    """
    for wait in _WAITS_SECONDS:
        try:
            call()
            return
        except MlflowException as error:
            if _COLLISION not in str(error):
                raise
            sleep(wait)
    call()


@contextmanager
def unless_absent() -> Iterator[None]:
    """Pass over what is not there (any more): another process may have removed it."""
    try:
        yield
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
