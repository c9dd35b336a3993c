"""Verdicts that differ from those of the build before: of the same model on the same suite, by variant."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.results.build_result import COMPLETION, BuildResult
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.records import read_checked
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.report.summary import ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictChange:
    """A variant that a build decided otherwise than the one before; `before` and `after` are decisions."""

    build: str
    earlier_build: str
    identifier: str
    before: str
    after: str
    page: Path


def verdict_changes(
    plan: BuildPlan, result: BuildResult, store: Store
) -> tuple[VerdictChange, ...]:
    """Return which of a build's verdicts differ from those of the latest other build of model and suite."""
    earlier = _build_before(plan, store)
    if earlier is None:
        return ()
    before = {row.identifier: row.decision for row in earlier.rows}
    return tuple(
        VerdictChange(
            build=result.name,
            earlier_build=earlier.name,
            identifier=row.identifier,
            before=was,
            after=row.decision,
            page=result.page,
        )
        for row in result.rows
        if (was := before.get(row.identifier, ERROR)) != row.decision
        and ERROR not in (was, row.decision)
    )


def _build_before(plan: BuildPlan, store: Store) -> BuildResult | None:
    """Return the latest result of another build of this model on this suite."""
    series = f"{plan.checkpoint.name}--{plan.suite.name}--"
    files = [
        file
        for file in store.report(plan.name).parent.glob(f"*/{COMPLETION}")
        if file.parent.name.startswith(series) and file.parent.name != plan.name
    ]
    for file in sorted(files, key=lambda file: file.stat().st_mtime_ns, reverse=True):
        with suppress(InputError):  # damaged, or of another version: the one before it counts
            return read_checked(BuildResult, file)
    return None
