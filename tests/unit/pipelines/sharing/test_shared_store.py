"""A store behind the stores of several hosts: every folder is made once, whatever fails between them."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.files.sealed import is_sealed_anywhere, produce_once, read_sealed, verify
from quantgate.pipelines.files.second_level import attach, giving_back
from quantgate.pipelines.sharing.entries import ARRIVING, DamagedEntryError, Entries
from quantgate.pipelines.sharing.kinds import SharedKinds
from quantgate.pipelines.sharing.leases import LeasedElsewhere, Leases
from quantgate.pipelines.sharing.shared_store import SharedStore, waiting_folders
from tests.support.shared_objects import Interleaving, MemoryObjects, away

RUN = "runs/a--1"
EVERYTHING = SharedKinds(largest_bytes=1 << 30)


@dataclass(frozen=True)
class Note:
    host: str


class Host:
    """A host with a store of its own, and what it was told and made."""

    def __init__(self, root: Path, objects: MemoryObjects, kinds: SharedKinds = EVERYTHING) -> None:
        self.root, self.said, self.made = root, list[str](), list[str]()
        level = SharedStore(root, objects, kinds, lease_seconds=0.6, say=self.said.append)
        self.level = level
        attach(root, level)

    def make(self, folder: str = RUN, content: bytes = b"x" * 100) -> str:
        """Make a folder unless it is there, and return who made it."""

        def produce(staging: Path) -> Note:
            self.made.append(folder)
            (staging / "sub").mkdir()
            (staging / "sub" / "answers").write_bytes(content)
            (staging / "empty").write_bytes(b"")
            return Note(self.root.name)

        manifest = produce_once(self.root / folder, Note, produce)
        verify(self.root / folder, read_sealed(self.root / folder, Note))
        return manifest.record.host


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    hosts: list[Host] = []

    def make(objects: MemoryObjects, kinds: SharedKinds = EVERYTHING) -> Host:
        hosts.append(Host(tmp_path / f"host{len(hosts)}", objects, kinds))
        return hosts[-1]

    yield make
    for each in hosts:
        attach(each.root, None)


def test_what_one_host_made_the_other_fetches(host: Callable[..., Host]) -> None:
    objects = MemoryObjects()
    first, second = host(objects), host(objects)
    assert first.make() == "host0" == second.make()
    assert (first.made, second.made) == ([RUN], [])
    assert second.said == []
    assert not (second.root / ARRIVING).exists() or not any(
        path.is_file() and not path.name.endswith(".lock")
        for path in (second.root / ARRIVING).rglob("*")
    )
    assert not [name for name in objects.contents if name.startswith("leases/")]


@pytest.mark.parametrize("seed", range(12))
def test_in_no_order_of_requests_is_it_made_twice(host: Callable[..., Host], seed: int) -> None:
    objects, order = MemoryObjects(), Interleaving(seed)
    hosts = [host(objects), host(objects)]
    objects.before = order.step
    order.run(*(lambda each=each: each.make() for each in hosts))
    assert len(hosts[0].made + hosts[1].made) == 1


def test_what_was_made_between_the_look_and_the_lease_is_not_made_again(
    host: Callable[..., Host],
) -> None:
    objects = MemoryObjects()
    first, second = host(objects), host(objects)

    def make_meanwhile(_verb: str, name: str) -> None:
        if name.startswith("leases/"):
            objects.before = lambda _verb, _name: None
            first.make()

    objects.before = make_meanwhile
    assert second.make() == "host0"
    assert (first.made, second.made) == ([RUN], [])
    assert not [name for name in objects.contents if name.startswith("leases/")]


def test_who_waits_gives_its_place_back_and_says_for_whom(host: Callable[..., Host]) -> None:
    objects = MemoryObjects()
    other = Leases(objects, owner="desk (process 7)", seconds=60).take(RUN)
    assert not isinstance(other, LeasedElsewhere)
    waiting, events = threading.Event(), list[str]()

    @contextmanager
    def given_back() -> Iterator[None]:
        events.append("back")
        waiting.set()
        yield
        events.append("again")

    mine = host(objects)

    def run() -> None:
        with giving_back(given_back):
            mine.make()

    thread = threading.Thread(target=run)
    thread.start()
    assert waiting.wait(5)
    looks = len(objects.requests)
    while len(objects.requests) < looks + 30:  # it looks many times
        time.sleep(0.01)
    assert events == ["back"]
    other.give_up(made=False)
    thread.join(timeout=5)
    assert mine.made == [RUN]
    assert mine.said == [f"waiting for desk (process 7), which makes {RUN}"]
    assert events == ["back", "again"]


def test_who_waits_says_whom_for_when_another_takes_over_and_goes_on_alone_when_nobody_answers(
    host: Callable[..., Host],
) -> None:
    objects = MemoryObjects()
    first = Leases(objects, owner="desk (process 7)", seconds=60).take(RUN)
    assert not isinstance(first, LeasedElsewhere)
    mine, events = host(objects), list[str]()
    made: list[str] = []

    @contextmanager
    def given_back() -> Iterator[None]:
        events.append("back")
        yield
        events.append("again")

    def run() -> None:
        with giving_back(given_back):
            made.append(mine.make())

    thread = threading.Thread(target=run)
    thread.start()
    while not mine.said:
        time.sleep(0.01)
    first.give_up(made=False)
    later = Leases(objects, owner="bench (process 9)", seconds=60)
    objects.contents[first.name] = first.lease.encoded()  # it is not seen to be free in between
    objects.contents[f"{first.name.rpartition('/')[0]}/00000002.json"] = replace(
        first.lease, owner="bench (process 9)"
    ).encoded()
    objects.written_at[f"{first.name.rpartition('/')[0]}/00000002.json"] = objects.now
    assert later.holder(RUN) == "bench (process 9)"
    while len(mine.said) < 2:
        time.sleep(0.01)
    assert events == ["back"]
    objects.before = away
    thread.join(timeout=5)
    assert made == ["host0"]
    assert mine.said[:2] == [
        f"waiting for desk (process 7), which makes {RUN}",
        f"waiting for bench (process 9), which makes {RUN}",
    ]
    assert "goes on alone" in mine.said[2]


def test_a_look_fetches_what_lies_there_and_waits_for_nobody(host: Callable[..., Host]) -> None:
    objects = MemoryObjects()
    first, second = host(objects), host(objects)
    assert not is_sealed_anywhere(second.root / RUN)
    lease = Leases(objects, owner="desk (process 7)", seconds=60).take(RUN)
    assert not isinstance(lease, LeasedElsewhere)
    assert not is_sealed_anywhere(second.root / RUN)
    lease.give_up(made=False)
    first.make()
    first.make("speeds/a--1")
    assert is_sealed_anywhere(second.root / RUN)
    assert not is_sealed_anywhere(second.root / "speeds/a--1")
    objects.before = away
    assert not is_sealed_anywhere(second.root / "runs/b--2")
    assert len(second.said) == 1 and "goes on alone" in second.said[0]


def test_a_dead_hosts_lease_is_taken_over_when_it_has_expired(host: Callable[..., Host]) -> None:
    objects = MemoryObjects()
    Leases(objects, owner="dead (process 7)", seconds=5).take(RUN)
    objects.now += 7
    mine = host(objects)
    assert mine.make() == "host0"
    assert mine.said == []


def test_a_place_that_goes_away_after_the_lease_was_taken_keeps_nobody_waiting(
    host: Callable[..., Host],
) -> None:
    objects = MemoryObjects()
    mine, creations = host(objects), list[str]()

    def gone_after_the_lease(verb: str, name: str) -> None:
        if creations and name.startswith("entries/"):
            away(verb, name)
        if verb == "create":
            creations.append(name)

    objects.before = gone_after_the_lease
    assert mine.make() == "host0"
    objects.before = lambda _verb, _name: None
    assert not [each for each in threading.enumerate() if each.name == f"lease {RUN}"]
    assert host(objects).make() == "host1"


def test_a_failing_maker_lets_the_next_one_try_at_once(host: Callable[..., Host]) -> None:
    objects = MemoryObjects()
    first, second = host(objects), host(objects)

    def fail(_staging: Path) -> Note:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        produce_once(first.root / RUN, Note, fail)
    assert second.make() == "host1"


def test_a_place_that_is_away_stops_nothing_and_what_is_made_waits(
    host: Callable[..., Host],
) -> None:
    objects = MemoryObjects()
    mine = host(objects)
    objects.before = away
    mine.make(), mine.make("audits/b--2")
    assert len(mine.said) == 1 and "goes on alone" in mine.said[0]
    assert {each.folder for each in waiting_folders(mine.root)} == {RUN, "audits/b--2"}
    objects.before = lambda _verb, _name: None
    names = [each.folder for each in waiting_folders(mine.root)]
    sent = {name: mine.level.send_missing(name) for name in names}
    assert sent == {RUN: 100, "audits/b--2": 100}
    assert waiting_folders(mine.root) == ()
    assert host(objects).make() == "host0"


def test_a_place_that_goes_away_while_it_is_sent_to_loses_nothing(
    host: Callable[..., Host],
) -> None:
    objects = MemoryObjects()
    mine = host(objects)

    def no_manifests(verb: str, name: str) -> None:
        if verb == "create" and name.endswith("manifest.json"):
            raise ServiceError("refuses us", where="memory://shelf")

    objects.before = no_manifests
    assert mine.make() == "host0"
    assert [each.reason for each in waiting_folders(mine.root)] == ["refuses us"]
    objects.before = lambda _verb, _name: None
    objects.requests.clear()
    assert mine.level.send_missing(RUN) == 0  # its files lie there already
    assert [verb for verb, _ in objects.requests].count("write") == 0
    assert host(objects).make() == "host0"


@pytest.mark.parametrize(
    "folder", ["", "variants", "runs/../..", "checkpoints/../ruler-x", "corpora/a"]
)
def test_a_name_that_is_no_results_removes_nothing_here(
    host: Callable[..., Host], folder: str
) -> None:
    """Whoever may write into a shared store could name any folder of those who fetch from it."""
    objects = MemoryObjects()
    maker = host(objects)
    maker.make()
    written = objects.contents[f"entries/{RUN}/manifest.json"]
    objects.contents[f"entries/{folder}/manifest.json"] = written
    before = sorted(maker.root.rglob("*"))
    with pytest.raises(DamagedEntryError, match="is no name of a result"):
        maker.level.entries.fetch(folder)
    assert sorted(maker.root.rglob("*")) == before


@pytest.mark.parametrize("how", ["altered", "missing", "manifest", "elsewhere"])
def test_what_is_damaged_there_is_said_and_made_anew(host: Callable[..., Host], how: str) -> None:
    objects = MemoryObjects()
    host(objects).make()
    place = f"entries/{RUN}/"
    (large,) = (
        n for n in objects.contents if n.startswith(place) and len(objects.contents[n]) == 100
    )
    if how == "altered":
        objects.contents[large] = b"y" * 100
    elif how == "missing":
        del objects.contents[large]
    elif how == "manifest":
        manifest = json.loads(objects.contents[f"{place}manifest.json"])
        manifest["record"]["host"] = "another"
        objects.contents[f"{place}manifest.json"] = json.dumps(manifest).encode()
    else:
        written = objects.contents[f"{place}manifest.json"]
        objects.contents[f"{place}manifest.json"] = written.replace(b"sub/answers", b"../../../x")
    mine = host(objects)
    assert mine.make() == "host1"
    assert len(mine.said) == 1 and "is not what its manifest says" in mine.said[0]
    assert host(objects).make() == "host1"


def test_the_manifest_that_was_first_stays(host: Callable[..., Host]) -> None:
    objects = MemoryObjects()
    first, late = host(objects), host(objects)
    objects.before = away
    late.make(content=b"l" * 100)
    objects.before = lambda _verb, _name: None
    first.make()
    assert late.level.send_missing(RUN) == 0
    assert host(objects).make() == "host0"


def test_large_files_travel_in_parts_and_go_on_where_they_ended(tmp_path: Path) -> None:
    objects = MemoryObjects()
    first = Host(tmp_path / "first", objects)
    attach(first.root, None)
    first.make(content=bytes(range(250)) * 4)
    Entries(objects, first.root, part_bytes=100).send(RUN)
    second, reads = Entries(objects, tmp_path / "second", part_bytes=100), list[str]()

    def break_off(verb: str, name: str) -> None:
        if verb == "read" and ".part-" in name:
            reads.append(name)
            if len(reads) == 8:
                away(verb, name)

    objects.before = break_off
    with pytest.raises(ServiceError):
        second.fetch(RUN)
    assert not (tmp_path / "second" / RUN).exists()
    arrived = len(reads)
    assert second.fetch(RUN) == 1000
    assert arrived < len(reads) < 18  # of 10 parts; those that had arrived were not read again
    sealed = read_sealed(tmp_path / "second" / RUN, Note)
    verify(tmp_path / "second" / RUN, sealed)


def test_what_arrived_and_was_lost_here_is_no_damage_there(tmp_path: Path) -> None:
    objects = MemoryObjects()
    first = Host(tmp_path / "first", objects)
    first.make()
    attach(first.root, None)
    entries = Entries(objects, tmp_path / "second")
    objects.after = lambda verb, name: None
    asked = list[str]()

    def break_off(verb: str, name: str) -> None:
        asked.append(name)
        if len(asked) == 1:
            return
        away(verb, name)

    objects.before = break_off
    with pytest.raises(ServiceError):
        entries.fetch(RUN)
    (arriving,) = (p for p in (tmp_path / "second" / ARRIVING).iterdir() if p.is_dir())
    (arriving / "parts").write_text(
        "0 sub/answers\n"
    )  # the journal came to the disk, the bytes did not
    objects.before = lambda _verb, _name: None
    assert entries.fetch(RUN) == 100


def test_folders_above_the_limit_and_of_other_kinds_stay_here(host: Callable[..., Host]) -> None:
    objects = MemoryObjects()
    mine = host(objects, SharedKinds(largest_bytes=50))
    mine.make()
    mine.make("speeds/a--1")
    assert [name for name in objects.contents if name.startswith("entries/")] == []
    assert mine.said == [f"{RUN} is above the limit of the shared store and stays on this host"]
    assert host(objects).make() == "host1"


@pytest.mark.parametrize(
    ("folder", "shared"),
    [
        ("variants/m--Q4_K_M--0123", True),
        ("checkpoints/0123/imatrix-45", True),
        ("checkpoints/0123/gguf-f16-45", False),
        ("checkpoints/0123/logits-45", False),
        ("corpora/desk/1", False),
        ("downloads/org--m/0123", False),
        ("runs/a--1/deeper", False),
    ],
)
def test_results_are_shared_and_weights_of_bases_only_where_asked(
    folder: str, shared: bool
) -> None:
    assert EVERYTHING.include(folder) is shared
    assert SharedKinds(largest_bytes=1, bases=True).include("checkpoints/0123/gguf-f16-45")
