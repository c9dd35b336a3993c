"""`make models`: tries every architecture that both tools know, and writes the table of docs/models.md.

    python -m tests.catalogue [--only NAME …] [--again] [--kept] [--jobs N]

What was tried with tools of these versions and our code as it is, recipe by recipe, is tried again only with
`--again`, and an interrupted run goes on where it was. With `--only` what became of these is printed, and no
page is written; with `--kept` nothing is tried, and what is not kept is called untried.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from quantgate.flows.settings import Settings, cores_here
from quantgate.flows.wiring import wire
from quantgate.pipelines.domain.errors import QuantgateError
from quantgate.pipelines.process.runner import run_worker
from tests.catalogue.kept import KeptOutcomes, tool_versions
from tests.catalogue.table import catalogue_lines, shortened, write_into
from tests.support.architectures.names import Architecture, known_to_all
from tests.support.architectures.outcomes import Outcome
from tests.support.project import PROJECT

_PAGE = PROJECT / "docs" / "models.md"


def main() -> None:
    """Try them side by side; say of each how far it came."""
    parser = argparse.ArgumentParser(prog="python -m tests.catalogue")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[])
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--kept", action="store_true")
    parser.add_argument("--jobs", type=int, metavar="N", default=cores_here())
    asked = parser.parse_args()
    settings = Settings.from_environment()
    listed = known_to_all(wire(settings).architectures)
    if unlisted := set(asked.only) - {architecture.name for architecture in listed}:
        sys.exit(f"not known to both tools: {', '.join(sorted(unlisted))}")
    chosen = [each for each in listed if not asked.only or each.name in asked.only]
    kept = KeptOutcomes(settings, run_worker)
    for architecture in chosen if asked.again else ():
        kept.forget(architecture)
    try:
        _try([each for each in chosen if not asked.kept], kept, asked.jobs)
    except QuantgateError as error:
        sys.exit(str(error))
    if not asked.only:
        outcomes = {each.name: kept.outcome(each) if kept.holds(each) else None for each in chosen}
        write_into(_PAGE, catalogue_lines(outcomes, tool_versions()))
        print(f"written: {_PAGE.relative_to(PROJECT)}")


def _try(chosen: Sequence[Architecture], kept: KeptOutcomes, jobs: int) -> None:
    left = sum(not kept.holds(architecture) for architecture in chosen)
    print(f"{len(chosen)} architectures, {left} to be tried", flush=True)
    with ThreadPoolExecutor(max_workers=jobs) as side_by_side:
        pending = [side_by_side.submit(kept.outcome, architecture) for architecture in chosen]
        for number, done in enumerate(as_completed(pending), start=1):
            print(f"{number:4d} {said(done.result())}", flush=True)


def said(outcome: Outcome) -> str:
    """Return how far an architecture came, in a line and one more for every refusal."""
    base = outcome.base
    far = f"{base.answer} {base.mean_kl:.1e}" if base.mean_kl is not None else base.answer
    built = sum(attempt.built for attempt in outcome.attempts)
    lines = [f"{outcome.architecture.name}: {built} of {len(outcome.attempts)} built, {far}"]
    lines += [
        f"       {attempt.recipe}: {attempt.refused_by}: {shortened(attempt.reason)}"
        for attempt in outcome.attempts
        if not attempt.built
    ]
    if base.reason:
        lines.append(f"       base: {shortened(base.reason)}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
