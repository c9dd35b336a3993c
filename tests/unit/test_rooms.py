"""Rooms of the houses stay small enough to be read at a glance."""

from tests.support.project import HOUSES, PROJECT

MOST_MODULES = 18


def test_no_room_holds_more_modules_than_a_reader_takes_in() -> None:
    rooms = {
        folder: sum(1 for module in folder.glob("*.py") if not module.name.startswith("__"))
        for house in (*HOUSES, "tests")
        for folder in {path.parent for path in (PROJECT / house).rglob("*.py")}
    }
    assert len(rooms) > 50
    crowded = {
        str(folder.relative_to(PROJECT)): n for folder, n in rooms.items() if n > MOST_MODULES
    }
    assert crowded == {}
