"""Empty databases of a tool: made once a version, copied whole or not at all."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InterruptionError
from quantgate.pipelines.files.databases.empty import EmptyDatabase
from quantgate.pipelines.files.locks import exclusive


class Tool:
    """Makes its table, and counts how often."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, database: Path) -> None:
        self.made += 1
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE runs (name TEXT)")
            connection.commit()


def empty(tmp_path: Path, make: Callable[[Path], None], changes: str = "CREATE") -> EmptyDatabase:
    change = tmp_path / "0001.py"
    change.write_text(changes)
    return EmptyDatabase.of(tmp_path / "cache", "tool-1.0", [change], make)


def tables(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master").fetchall()
    return [name for (name,) in rows]


def test_it_is_made_once_and_copied_into_every_store(tmp_path: Path) -> None:
    tool = Tool()
    for store in ("one", "another"):
        assert empty(tmp_path, tool).lay(tmp_path / store / "tool.db")
        assert tables(tmp_path / store / "tool.db") == ["runs"]
        assert [file.name for file in (tmp_path / store).iterdir()] == ["tool.db"]
    assert tool.made == 1


def test_another_version_has_one_of_its_own(tmp_path: Path) -> None:
    tool = Tool()
    empty(tmp_path, tool).lay(tmp_path / "tool.db")
    empty(tmp_path, tool, changes="CREATE, ALTER").lay(tmp_path / "later.db")
    assert tool.made == 2


def test_a_database_that_is_there_stays(tmp_path: Path) -> None:
    place, tool = tmp_path / "tool.db", Tool()
    place.write_bytes(b"somebody's rows")
    assert not empty(tmp_path, tool).lay(place)
    assert place.read_bytes() == b"somebody's rows"
    assert tool.made == 0


def test_what_killed_processes_left_is_no_hindrance(tmp_path: Path) -> None:
    database, place = empty(tmp_path, Tool()), tmp_path / "tool.db"
    half_made = database.folder.with_name(f".{database.folder.name}.making")
    half_made.mkdir(parents=True)
    (half_made / "empty.db").write_bytes(b"half")
    (tmp_path / ".tool.db.part").write_bytes(b"half")
    (tmp_path / "tool.db-wal").write_bytes(b"of a file that was removed")
    assert database.lay(place)
    assert tables(place) == ["runs"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001.py", "cache", "tool.db"]
    assert not half_made.exists()


def test_one_that_was_altered_is_made_anew(tmp_path: Path) -> None:
    database, tool = empty(tmp_path, Tool()), Tool()
    database.keep()
    with closing(sqlite3.connect(database.folder / "empty.db")) as connection:
        connection.execute("INSERT INTO runs VALUES ('of somebody')")
        connection.commit()
    assert empty(tmp_path, tool).lay(tmp_path / "tool.db")
    assert tool.made == 1
    with closing(sqlite3.connect(tmp_path / "tool.db")) as connection:
        assert connection.execute("SELECT * FROM runs").fetchall() == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        sqlite3.OperationalError("database or disk is full"),
        RuntimeError("the tool's own"),
    ],
    ids=["disk", "sqlite", "tool"],
)
def test_where_it_cannot_be_made_the_tool_makes_its_tables_itself(
    error: Exception, tmp_path: Path
) -> None:
    def fail(_database: Path) -> None:
        raise error

    database = empty(tmp_path, fail)
    assert not database.lay(tmp_path / "tool.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001.py", "cache"]
    assert not database.folder.exists()
    assert not list(database.folder.parent.glob("*making"))


def test_one_that_somebody_else_makes_meanwhile_stays(tmp_path: Path) -> None:
    place, tool = tmp_path / "tool.db", Tool()

    def slowly(database: Path) -> None:
        tool(database)
        place.write_bytes(b"somebody's rows")
        (tmp_path / "tool.db-wal").write_bytes(b"and the latest")

    assert not empty(tmp_path, slowly).lay(place)
    assert place.read_bytes() == b"somebody's rows"
    assert (tmp_path / "tool.db-wal").exists()
    assert not (tmp_path / ".tool.db.part").exists()


def test_a_link_to_another_disk_stays_one(tmp_path: Path) -> None:
    place = tmp_path / "tool.db"
    (tmp_path / "disk").mkdir()
    place.symlink_to(tmp_path / "disk" / "tool.db")
    assert empty(tmp_path, Tool()).lay(place)
    assert place.is_symlink()
    assert tables(tmp_path / "disk" / "tool.db") == ["runs"]


def test_one_whose_maker_does_not_get_on_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quantgate.pipelines.files.databases.empty._LONGEST_WAIT_SECONDS", 0.0)
    database = empty(tmp_path, Tool())
    with exclusive(database.folder.with_name(f".{database.folder.name}.lock")):
        assert not database.lay(tmp_path / "tool.db")
    assert database.lay(tmp_path / "tool.db")


def test_a_cache_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert not empty(tmp_path, Tool()).lay(tmp_path / "tool.db")
    assert not (tmp_path / "tool.db").exists()


def test_one_of_a_cache_that_may_only_be_read_is_copied(tmp_path: Path) -> None:
    database = empty(tmp_path, Tool())
    database.keep()
    lock = database.folder.with_name(f".{database.folder.name}.lock")
    lock.unlink()
    lock.mkdir()  # it cannot be taken
    assert database.lay(tmp_path / "tool.db")


def test_stores_that_begin_at_once_wait_for_the_first(tmp_path: Path) -> None:
    tool, together = Tool(), threading.Barrier(2)
    database = empty(tmp_path, tool)

    def lay(store: str) -> bool:
        together.wait()
        return database.lay(tmp_path / store)

    with ThreadPoolExecutor() as stores:
        assert list(stores.map(lay, ("one.db", "another.db"))) == [True, True]
    assert tool.made == 1


def test_who_is_interrupted_lays_nothing(tmp_path: Path) -> None:
    def interrupted(_database: Path) -> None:
        raise InterruptionError("the program is being ended")

    with pytest.raises(InterruptionError):
        empty(tmp_path, interrupted).lay(tmp_path / "tool.db")
    assert not (tmp_path / "tool.db").exists()
