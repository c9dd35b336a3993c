"""One look at followed releases: every new revision is built."""

from pathlib import Path

from quantgate.flows.build.clearing.usage import in_use
from quantgate.flows.build.planning.plans import plan_build
from quantgate.flows.build.registering import register_waiting
from quantgate.flows.build.results.build_result import BuildResult
from quantgate.flows.build.results.unit_error import UnitError
from quantgate.flows.orchestration.events.releases import of_release
from quantgate.flows.orchestration.events.sending import tell
from quantgate.flows.orchestration.following.drifting import check_drift
from quantgate.flows.orchestration.running import run_build
from quantgate.flows.progress.board import Board
from quantgate.flows.releases.asked import asked_parts, spec_of
from quantgate.flows.releases.looking import Looker, Release
from quantgate.flows.releases.releases import (
    OF_THIS_MACHINE,
    ReleaseOutcome,
    State,
    watch_once,
)
from quantgate.flows.releases.sources import HuggingFaceHub
from quantgate.flows.releases.watch_list import load_watch_list
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import UnprovableError
from quantgate.pipelines.hub.buckets import BucketFolder


def look(watch_list: Path, board: Board) -> tuple[ReleaseOutcome, ...]:
    """Look at every followed source once and build each new revision.

    Raises:
        InputError: where the releases file has problems.
    """
    settings = Settings.from_environment()
    followed = load_watch_list(watch_list)
    register_waiting(settings, board.say)
    check_drift(followed, settings, board)
    hub = HuggingFaceHub(settings.hub, settings.store)
    outcomes = watch_once(
        followed,
        Looker(
            store=settings.store,
            hub=hub,
            asked=lambda each: asked_parts(each, settings, hub),
        ),
        build=lambda release: _build(release, settings, board),
    )
    for outcome in outcomes:
        revision = f"@{outcome.revision[:12]}" if outcome.revision else ""
        board.say(f"{outcome.label}{revision}: {outcome.state}: {outcome.detail}")
    if not outcomes:
        board.say(f"nothing new in {len(followed)} followed sources")
    return outcomes


def _build(release: Release, settings: Settings, board: Board) -> ReleaseOutcome:
    board.say(f"{release.followed.label}@{release.revision[:12]}: {release.news}")
    tell(of_release(release), settings, board.say)
    with in_use(settings.store) as use:
        if release.followed.bucket is not None:
            with board.unit("download", release.followed.label):
                BucketFolder(release.followed.bucket, settings.store).fetch(release.revision)
        plan = plan_build(spec_of(release.followed, release.model), settings, board.say)
        use.runs(plan.name)
        return outcome_of(release, run_build(plan, settings, board))


def outcome_of(release: Release, result: BuildResult) -> ReleaseOutcome:
    """Return what became of a release that was built."""
    return ReleaseOutcome(
        label=release.followed.label,
        revision=release.revision,
        state=_state(result.errors),
        exit_code=result.exit_code,
        detail=_detail(result),
    )


def _state(errors: tuple[UnitError, ...]) -> State:
    """Return what became of a build with these errors; that nothing can pass is an outcome and no failure.

    While a service is down that may come back, nothing is settled: what else failed is found sealed again.
    """
    of_this_machine = {kind.exit_code for kind in OF_THIS_MACHINE}
    codes = {error.exit_code for error in errors} - {UnprovableError.exit_code}
    if not codes:
        return "done"
    if any(error.transient for error in errors):
        return "postponed"
    return "unfinished" if codes <= of_this_machine else "failed"


def _detail(result: BuildResult) -> str:
    """Say how many variants passed, and why none could where that is so."""
    passed = sum(row.registered_version is not None for row in result.rows)
    unprovable = [
        error.text.partition("\n")[0]
        for error in result.errors
        if error.exit_code == UnprovableError.exit_code
    ]
    return "; ".join(
        [f"{passed} of {len(result.rows)} variants passed", *unprovable, str(result.page)]
    )
