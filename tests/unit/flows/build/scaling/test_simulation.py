"""A fleet of builds on paper: never below what can be, and limited by what it says."""

from dataclasses import replace

import pytest

from quantgate.flows.build.scaling.costs import MeasuredCosts, RecipeCost
from quantgate.flows.build.scaling.simulation import Fleet, forecast
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.records import to_json
from tests.support.schemas import require_schema

COSTS = MeasuredCosts(
    builds=1,
    base=10.0,
    reference=20.0,
    reference_runs=1,
    recipes=(RecipeCost(recipe="Q8_0", build=4.0, audit=2.0, answer=8.0),),
    register=1.0,
    pass_share=0.5,
    variant_bytes=1e6,
    database_bytes=1000.0,
)
ONE = Fleet(models=1, variants=1, suites=1, workers=1)


def test_one_variant_takes_its_whole_chain() -> None:
    made = forecast(ONE, COSTS)
    assert made.seconds == 10 + 20 + 4 + 2 + 8 + 1
    assert (made.limit, made.units, made.runs) == ("the longest chain", 6, 1)


def test_a_second_worker_does_not_idle() -> None:
    fleet = replace(ONE, variants=8)
    one, two = (forecast(replace(fleet, workers=n), COSTS).seconds for n in (1, 2))
    # 30 s of base and reference are alone; 8 variants of 14 s share two workers.
    assert one == 30 + 8 * 14 + 1
    assert two == pytest.approx(30 + 4 * 14 + 2, abs=2)


def test_two_workers_ask_the_base_side_by_side() -> None:
    costs = replace(COSTS, reference=30.0, reference_runs=3)
    one, two = (forecast(replace(ONE, variants=8, workers=n), costs) for n in (1, 2))
    assert one.seconds == 10 + 30 + 8 * 14 + 1
    assert two.seconds == pytest.approx(10 + 20 + 4 * 14 + 2, abs=2)
    assert (one.units, two.units) == (2 + 8 * 4, 4 + 8 * 4)


@pytest.mark.parametrize(
    ("changed", "limit"),
    [
        ({"workers": 2}, "workers"),
        ({"workers": 400, "accelerators": 3}, "accelerators"),
        ({"workers": 4000}, "registrations"),
        ({"workers": 4000, "models": 1, "variants": 1, "suites": 1}, "the longest chain"),
    ],
)
def test_what_limits_is_named_and_no_schedule_is_shorter(
    changed: dict[str, int], limit: str
) -> None:
    fleet = replace(ONE, models=20, variants=20, suites=5)
    made = forecast(replace(fleet, **changed), COSTS)
    assert made.limit == limit
    assert made.seconds >= max(made.bounds.values())
    assert all(0 < share <= 1 for share in made.busy.values())


@pytest.mark.parametrize("name", ["models", "variants", "suites"])
def test_a_fleet_that_would_take_all_memory_is_refused_before_it_does(name: str) -> None:
    fleet = replace(ONE, models=20, variants=20, suites=5)
    assert fleet.units(COSTS.reference_runs) == forecast(fleet, COSTS).units
    with pytest.raises(InputError, match="at most 1,000,000 are scheduled"):
        forecast(replace(fleet, **{name: 10**9}), COSTS)


def test_the_registry_holds_a_run_for_each_variant_and_suite_and_a_version_where_it_passed() -> (
    None
):
    made = forecast(replace(ONE, models=200, variants=20, suites=5, workers=64), COSTS)
    assert (made.runs, made.versions) == (20_000, 10_000)
    assert (made.registry_bytes, made.store_bytes) == (2e7, 4e9)


def test_larger_models_take_longer_and_registering_them_does_not() -> None:
    assert forecast(replace(ONE, times=10.0), COSTS).seconds == 10 * 44 + 1


def test_what_the_command_prints_fits_its_schema() -> None:
    made = forecast(ONE, COSTS)
    parts = {"fleet": to_json(ONE), "costs": to_json(COSTS), "forecast": to_json(made)}
    assert require_schema({"schema": "quantgate.scale/1", **parts}) == "quantgate.scale/1"
