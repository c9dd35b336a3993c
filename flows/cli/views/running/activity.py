"""What is shown of releases that were noticed, and of builds that run and ran."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from quantgate.flows.build.states.builds import BuildState, StoreState
from quantgate.flows.cli.views.plain import print_table
from quantgate.flows.cli.views.sizes import megabytes
from quantgate.flows.progress.counting import counted, time_left, token_rate
from quantgate.flows.progress.recorded import UnitProgress
from quantgate.flows.releases.claims import Claim

_REVISION_LENGTH = 12


def show_claims(claims: Sequence[Claim]) -> None:
    """Print a line for each claim, oldest first within an entry."""
    if not claims:
        print("no release was noticed yet: `quantgate watch --once` looks")
        return
    print_table([("entry", "revision", "state", "changed (UTC)", "what"), *map(_row, claims)])


def progress_lines(state: StoreState, now: float) -> Iterator[str]:
    """Yield a line a build, below it one for each of its units; those of finished builds are left out.

    `now` is in seconds since 1970.
    """
    if state.planning:
        yield f"{state.planning} being planned"
    if not state.builds and not state.planning:
        yield "no build was planned in this store yet"
    for build in state.builds:
        yield f"{build.name}  {_outcome(build)}"
        if build.state != "done":
            for unit in build.units:
                yield f"  {unit.step}: {unit.unit}  {_unit(unit, now, build.state == 'running')}"


def _outcome(build: BuildState) -> str:
    when = f"{datetime.fromtimestamp(build.changed_at, UTC):%Y-%m-%d %H:%M} UTC"
    if build.state != "done":
        memory = f", {megabytes(build.resident_bytes)} of memory" if build.resident_bytes else ""
        return f"{build.state}, {when}{memory}"
    return (
        f"{build.passed} of {build.variants} registered, exit code {build.exit_code}, {when}, "
        f"{build.page}"
    )


def _unit(unit: UnitProgress, now: float, running: bool) -> str:
    if unit.ended_at is not None:
        how = "FAILED after" if unit.failed else "done in"
        return f"{how} {unit.ended_at - unit.began_at:.0f} s"
    if not running:
        return "was under way when the build stopped"
    spent = max(0.0, now - unit.began_at)
    pace = f"{unit.done / spent:,.1f} a second" if unit.done and spent >= 1 else ""
    parts = (
        unit.phase,
        counted(unit.done, unit.total or None),
        f"{unit.percent:.0f}%" if unit.percent is not None else "",
        pace,
        token_rate(unit.tokens_per_second),
        time_left(unit.left_seconds),
        f"{spent:.0f} s so far",
    )
    return ", ".join(part for part in parts if part)


def _row(claim: Claim) -> tuple[str, ...]:
    state = "open" if not claim.settled else claim.state
    changed = f"{claim.changed_at:%Y-%m-%d %H:%M:%S}"
    what = claim.detail.partition("\n")[0]
    return claim.label, claim.revision[:_REVISION_LENGTH], state, changed, what
