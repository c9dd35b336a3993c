"""`quantgate scale`: how long a fleet of builds would take, and what limits it."""

from quantgate.flows.build.scaling.costs import MeasuredCosts, measured_costs
from quantgate.flows.build.scaling.simulation import Fleet, Forecast, forecast
from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.cli.views.sizes import megabytes
from quantgate.flows.settings import Settings
from quantgate.pipelines.files.records import to_json


def scale_command(fleet: Fleet, *, as_json: bool) -> int:
    """Print a forecast from what the builds of this store cost.

    Raises:
        NotFoundError: the store has no build to measure.
    """
    costs = measured_costs(Settings.from_environment().store)
    made = forecast(fleet, costs)
    if as_json:
        print_json({"fleet": to_json(fleet), "costs": to_json(costs), "forecast": to_json(made)})
    else:
        print("\n".join(forecast_lines(fleet, made, costs)))
    return 0


def forecast_lines(fleet: Fleet, made: Forecast, costs: MeasuredCosts) -> list[str]:
    """Return a forecast in words."""
    accelerators = f" and {fleet.accelerators} accelerators" if fleet.accelerators else ""
    busy = ", ".join(f"{name} {share:.0%}" for name, share in sorted(made.busy.items()))
    bounds = ", ".join(
        f"{name} {_time(seconds)}"
        for name, seconds in sorted(made.bounds.items(), key=lambda pair: -pair[1])
    )
    registry = (
        megabytes(round(made.registry_bytes)) if made.registry_bytes is not None else "unknown"
    )
    return [
        f"{fleet.models} models x {fleet.variants} variants x {fleet.suites} suites on "
        f"{fleet.workers} workers{accelerators}: {_time(made.seconds)}",
        f"limited by  {made.limit}",
        f"busy        {busy}",
        f"at least    {bounds}",
        f"registry    {made.runs:,} runs, {made.versions:,} versions, {registry}",
        f"store       {megabytes(round(made.store_bytes))} of variants; {made.units:,} units",
        f"measured on {costs.builds} builds of this store, {len(costs.recipes)} recipes"
        + (f"; each unit {fleet.times:g} times as long" if fleet.times != 1 else ""),
    ]


def _time(seconds: float) -> str:
    for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.1f} s"
