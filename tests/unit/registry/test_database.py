"""The SQLite file behind a registry: one opens it at a time, and its disk's troubles are exit code 4."""

import sqlite3
import threading
from pathlib import Path

import pytest

from quantgate.registry.mlflow.database import database_trouble, opened_alone


def test_one_opens_a_database_at_a_time_whatever_their_stores(tmp_path: Path) -> None:
    database = tmp_path / "shared" / "mlflow.db"
    second_is_in = threading.Event()

    def second() -> None:
        with opened_alone(database):
            second_is_in.set()

    with opened_alone(database):
        thread = threading.Thread(target=second)
        thread.start()
        assert not second_is_in.wait(0.3)
    assert second_is_in.wait(5)
    thread.join()


def test_a_server_needs_no_lock() -> None:
    with opened_alone(None), opened_alone(None):
        pass


def real_error(folder: Path, statement: str) -> sqlite3.OperationalError:
    """What SQLite really says."""
    connection = sqlite3.connect(f"file:{folder / 'some.db'}?mode=rwc", uri=True)
    connection.execute("create table t (x)")
    connection.commit()
    connection.execute(statement)
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("insert into t values (zeroblob(1000000))")
    return caught.value


@pytest.mark.parametrize(
    ("statement", "words"),
    [("pragma max_page_count = 2", "the disk is full"), ("pragma query_only = 1", "may not be")],
)
def test_sqlites_own_words_are_understood(statement: str, words: str, tmp_path: Path) -> None:
    error = real_error(tmp_path, statement)
    trouble = database_trouble(error, tmp_path / "some.db")
    assert trouble is not None
    assert words in trouble.what
    assert str(tmp_path) in str(trouble)
    assert trouble.exit_code == 4


@pytest.mark.parametrize("words", ["database is locked", "no such table: runs", "disk I/O error"])
def test_other_errors_stay_the_registrys(words: str, tmp_path: Path) -> None:
    assert database_trouble(sqlite3.OperationalError(words), tmp_path / "some.db") is None
    assert database_trouble(sqlite3.OperationalError("database or disk is full"), None) is None
