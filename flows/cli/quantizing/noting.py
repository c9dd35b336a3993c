"""Noting how a build ended, so that the same command need not plan it again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.build.outcome import read_complete
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.repeating.finished import AskedCommand, note_finished
from quantgate.flows.build.repeating.reads import Reads, reading_is_seen
from quantgate.flows.build.results.build_result import COMPLETION, completed_at
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InterruptionError, QuantgateError
from quantgate.pipelines.files.sources import HOUSES, ROOT

_HOUSES = tuple(root / house for root in (ROOT, Path(__file__).parents[3]) for house in HOUSES)
"""Our own sources, which are known by other means; in a checkout the package is reached by links."""
MakePlan = Callable[[Callable[[str], None]], BuildPlan]
"""Makes the plan that a command asks for; what it hears is told what is being done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPlan:
    """A plan, and what was read for it."""

    plan: BuildPlan
    reads: Reads


def seen_plan(make: MakePlan, say: Callable[[str], None], settings: Settings) -> SeenPlan:
    """Return a plan with what this process reads for it."""
    reads = Reads(alone=(settings.store.root, settings.tool_cache), ignored=_HOUSES)
    with reading_is_seen(reads):
        return SeenPlan(plan=make(say), reads=reads)


@contextmanager
def end_is_noted(
    command: AskedCommand, planned: SeenPlan, make: MakePlan, settings: Settings
) -> Iterator[None]:
    """Note how the build that a block runs has ended.

    Where the block built something, children read what nobody saw: so the build is planned once more, now
    that all is sealed. Servers and a shared store may change by themselves, and are asked each time.
    """
    result_file = settings.store.report(planned.plan.name) / COMPLETION
    before = completed_at(result_file)
    yield
    if planned.plan.servers or settings.shared is not None or planned.reads.connected:
        return
    reads = planned.reads
    if completed_at(result_file) != before:
        try:
            again = seen_plan(make, _tell_nobody, settings)
            with reading_is_seen(again.reads):
                complete = read_complete(again.plan, settings)
        except InterruptionError:
            raise
        except QuantgateError:
            return  # whoever asks again is told
        if complete is None or again.plan.key != planned.plan.key:
            return
        reads = again.reads.after(planned.reads)
    folders = {variant.folder(settings.store) for variant in planned.plan.variants}
    note_finished(command, result_file, sorted(folders), reads, settings.store)


def _tell_nobody(_text: str) -> None:
    """What is done again was told before."""
