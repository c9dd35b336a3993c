"""Two hosts with stores of their own, and fakes at the seams, build the same: every unit is made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.local_build import LocalBuild
from quantgate.pipelines.domain.verdicts.verdict import Verdict
from quantgate.pipelines.files.second_level import attach
from quantgate.pipelines.sharing.kinds import SharedKinds
from quantgate.pipelines.sharing.shared_store import SharedStore
from tests.support.builds.faked import faked_build
from tests.support.builds.walking import judged
from tests.support.fakes import FakeBackend, FakeRuntime
from tests.support.shared_objects import Interleaving, MemoryObjects


class Host:
    """A host, the tools that it has alone, and what it came to."""

    def __init__(self, folder: Path, objects: MemoryObjects) -> None:
        self.backend, self.runtime = FakeBackend(), FakeRuntime(wrong={"Q2_K": {"i0", "i1"}})
        self.build: LocalBuild = faked_build(folder, self.backend, self.runtime)
        self.verdicts: list[Verdict] = []
        self.said: list[str] = []
        self.root = self.build.settings.store.root
        kinds = SharedKinds(largest_bytes=1 << 30)
        level = SharedStore(self.root, objects, kinds, lease_seconds=0.6, say=self.said.append)
        attach(self.root, level)

    def walk(self) -> None:
        for planned in self.build.plan.variants:
            units.build_files(self.build, planned)
            self.verdicts.append(judged(self.build, planned).verdict)


@pytest.fixture
def objects() -> MemoryObjects:
    return MemoryObjects()


@pytest.fixture
def hosts(tmp_path: Path, objects: MemoryObjects) -> Iterator[list[Host]]:
    hosts = [Host(tmp_path / f"host{number}", objects) for number in range(2)]
    yield hosts
    for host in hosts:
        attach(host.root, None)


def check(hosts: list[Host]) -> None:
    first, second = hosts
    assert sorted(first.backend.built + second.backend.built) == ["Q2_K", "Q8_0"]
    runs = 2 + len(first.build.plan.variants)
    assert len(first.runtime.asked) + len(second.runtime.asked) == runs * 40
    assert len(first.runtime.measured) + len(second.runtime.measured) > 0
    assert first.verdicts == second.verdicts


def test_what_one_host_has_done_the_other_only_fetches(hosts: list[Host]) -> None:
    for host in hosts:
        host.walk()
    check(hosts)
    assert hosts[1].backend.built == hosts[1].runtime.asked == []
    assert hosts[1].runtime.measured == []


def test_at_once_they_make_every_unit_once(hosts: list[Host], objects: MemoryObjects) -> None:
    order = Interleaving(seed=1)
    objects.before = order.step
    order.run(*(host.walk for host in hosts))
    check(hosts)
