"""Are verdicts honest? Simulated variants whose true break rate is known, judged by the very gates.

`false pass` is how often a variant passes whose true break rate is exactly the limit; `power` how often one
passes that breaks two items in a hundred. Coverage is how often an interval holds the truth.
"""

import time
from collections.abc import Iterator

from quantgate.pipelines.files.store import Store
from tests.benchmarks.measuring.searched import search_rates
from tests.benchmarks.measuring.simulated import (
    RESAMPLED_TRIALS,
    bound_coverage,
    clustered_pass_rates,
    difference_coverages,
    family_pass_rates,
    partly_worse,
    pass_rate,
    planted_not_passed,
    rarely_worse,
    score_coverages,
)

UNEQUAL = (20,) * 3 + (5,) * 16 + (1,) * 60
"""Two hundred items in groups of twenty, five and one."""
SEARCHES = 1_500
"""Searches simulated a line: each tries several variants."""


def run(_store: Store) -> None:
    """Print the table."""
    started = time.monotonic()
    print(f"verdicts: at least {RESAMPLED_TRIALS:,} trials a line, default policy (10 % at 95 %)")
    for what, share, wanted in rows():
        print(f"  {what:<84} {100 * share:6.2f} %   {wanted}", flush=True)
    print(f"  in {time.monotonic() - started:.1f} s")


def rows() -> Iterator[tuple[str, float, str]]:
    """Yield what was measured, how often it happened, and what was wanted."""
    yield from counted_rows()
    yield from resampled_rows()


def counted_rows() -> Iterator[tuple[str, float, str]]:
    """Yield what takes seconds: everything but the bootstrap."""
    for items in (30, 50, 200):
        yield f"false pass at exactly 10 %, n = {items}", pass_rate(items, 0.10), "<= 5"
    for items in (30, 50, 200, 400):
        yield f"power: pass at 2 %, n = {items}", pass_rate(items, 0.02), ""
    yield "one item in ten broken, n = 50: not passed", planted_not_passed(50, 10), ">= 95"
    yield from _families()
    yield from _searches()
    yield from _clusters()
    yield from _coverages()


def _families() -> Iterator[tuple[str, float, str]]:
    alone, together = family_pass_rates(200, 10, 0.10)
    yield "any of 10 variants passes at exactly 10 %, n = 200: each alone", alone, ""
    yield "any of 10 variants passes at exactly 10 %, n = 200: by Holm", together, "<= 5"


def _searches() -> Iterator[tuple[str, float, str]]:
    for recipes, good in ((8, 0), (20, 0), (20, 10)):
        rates = search_rates(recipes, good, 400, together=0.5, trials=SEARCHES)
        what = f"a search over {recipes} recipes and mixes passes any, {good} good, others at exactly 10 %"
        yield f"{what}: as judged", rates.shared, "<= 5"
        yield f"{what}: each alone", rates.alone, ""


def _clusters() -> Iterator[tuple[str, float, str]]:
    for name, sizes in (("40 groups of 5", (5,) * 40), ("79 groups of 20, 5 and 1", UNEQUAL)):
        for correlation in (0.0, 0.3, 1.0):
            judged, naive = clustered_pass_rates(sizes, correlation, 0.10)
            what = f"false pass, {name}, correlation {correlation:g}"
            yield f"{what}: as judged", judged, "<= 5"
            yield f"{what}: were groups ignored", naive, ""


def _coverages() -> Iterator[tuple[str, float, str]]:
    for items, rate in ((30, 0.02), (50, 0.10), (200, 0.05)):
        what = f"Clopper-Pearson bound holds {100 * rate:g} %, n = {items}"
        yield what, bound_coverage(items, rate), ">= 95"
    for items, lost, gained in ((50, 0.05, 0.05), (50, 0.10, 0.02), (200, 0.04, 0.02)):
        tango, newcombe = difference_coverages(items, lost, gained)
        what = f"lost {100 * lost:g} %, gained {100 * gained:g} %, n = {items}"
        yield f"Tango's interval holds the difference, {what}", tango, "about 95"
        yield f"Newcombe's interval (for comparison), {what}", newcombe, "about 95"


def resampled_rows() -> Iterator[tuple[str, float, str]]:
    """Yield the coverage of the bootstrap, which takes most of the time."""
    for name, draw in (("rare losses", rarely_worse), ("partial scores", partly_worse)):
        for units, size in ((100, 1), (30, 5)):
            groups = f"{units} groups of {size}" if size > 1 else f"n = {units}"
            interval, bound = score_coverages(draw, -0.05, units=units, size=size)
            yield f"paired bootstrap's interval, {name}, {groups}", interval, ">= 95"
            yield f"paired bootstrap's bound, {name}, {groups}", bound, ">= 95"


if __name__ == "__main__":
    from pathlib import Path

    run(Store(root=Path()))
