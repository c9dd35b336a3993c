"""Python's collector of cycles, where it only costs."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from quantgate.pipelines.process.collecting import collect_seldom, nothing_collected
from tests.support.project import PROJECT

ENDING = """
import gc, sys
from quantgate.pipelines.process.collecting import collect_seldom
class Loud:
    def __init__(self): self.itself = self
    def __del__(self): print("collected")
if sys.argv[1] == "seldom": collect_seldom()
loud = Loud()
del loud
print("done")
"""


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


def test_nothing_is_collected_while_a_block_imports() -> None:
    frozen = gc.get_freeze_count()
    with nothing_collected():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > frozen


def test_it_is_collected_again_where_an_import_fails() -> None:
    with pytest.raises(ModuleNotFoundError), nothing_collected():
        raise ModuleNotFoundError
    assert gc.isenabled()


class Circle:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def test_garbage_is_still_collected_but_seldom() -> None:
    collect_seldom()
    gc.collect()
    circle = weakref.ref(Circle())
    kept: list[list[int]] = [[] for _ in range(10_000)]
    assert circle() is not None, "Python by itself looks after 700"
    kept += [[] for _ in range(60_000)]
    assert circle() is None


@pytest.mark.parametrize(
    ("how", "said"), [("as ever", "done\ncollected"), ("seldom", "done")], ids=["ever", "seldom"]
)
def test_what_lives_at_the_end_is_not_looked_through(how: str, said: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ENDING, how], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == said
