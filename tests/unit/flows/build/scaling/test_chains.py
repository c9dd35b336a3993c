"""A variant's rank is what it still has to do, by what its recipe took before."""

from pathlib import Path

import pytest

from quantgate.flows.build.plan_files import PLAN
from quantgate.flows.build.scaling.chains import Chains
from quantgate.flows.build.scaling.costs import RecipeCost
from quantgate.flows.build.states.builds import progress_file, recorded_units
from quantgate.flows.progress.recorded import LOG
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.store import Store
from tests.support.builds.faked import faked_build
from tests.support.fakes import FakeBackend, FakeRuntime


def test_what_a_recipe_took_before_says_how_much_is_left(tmp_path: Path) -> None:
    first, second = faked_build(tmp_path, FakeBackend(), FakeRuntime()).plan.variants
    name = first.identifier.partition("--")[2]
    chains = Chains(timed={name: RecipeCost(recipe=name, build=100.0, audit=10.0, answer=1.0)})
    assert chains.seconds_left(first, "build") == 111.0
    assert chains.seconds_left(first, "answer") == 1.0
    assert chains.seconds_left(first, "build") > chains.seconds_left(second, "build") > 0


def test_a_store_without_builds_has_timed_nothing(tmp_path: Path) -> None:
    assert Chains.of(Store(root=tmp_path)).timed == {}


def test_a_damaged_neighbour_is_a_build_of_which_nothing_is_known(tmp_path: Path) -> None:
    store = Store(root=tmp_path)
    file = progress_file(store, "other")
    file.parent.mkdir(parents=True)
    (file.parent / PLAN).write_text("{}")
    file.write_text("{damaged")
    (file.parent / LOG).write_bytes(b"\xff\x00{damaged")
    with pytest.raises(InputError):
        recorded_units(store, "other")
    assert Chains.of(store).timed == {}
