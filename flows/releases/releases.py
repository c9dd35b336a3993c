"""Following releases: building whatever is new, once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from quantgate.flows.releases.claims import Claim, Claims
from quantgate.flows.releases.looking import Looker, Release
from quantgate.flows.releases.watch_list import Followed
from quantgate.pipelines.domain.errors import (
    InterruptionError,
    QuantgateError,
    ServiceError,
    ToolchainError,
    UnprovableError,
    WorkerError,
)

MAX_ATTEMPTS = 3
"""How often a build may take its watcher down with it, or fail for want of something here."""

OF_THIS_MACHINE = (ToolchainError, WorkerError, ServiceError)
"""Errors that may be this machine's (no disk, no memory, a killed child) and say nothing of a release."""

State = Literal["done", "failed", "postponed", "unfinished", "skipped", "unreachable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOutcome:
    """What became of one entry. `exit_code` is the build's (0, 10, 11) or the error's.

    `postponed` is tried again at the next look, `unfinished` too but not more than `MAX_ATTEMPTS` times in
    all; `skipped` holds nothing to build anew; `unreachable` could not be looked at.
    """

    label: str
    revision: str | None
    state: State
    exit_code: int
    detail: str


def watch_once(
    watch_list: tuple[Followed, ...],
    looker: Looker,
    *,
    build: Callable[[Release], ReleaseOutcome],
) -> tuple[ReleaseOutcome, ...]:
    """Build every new revision, each exactly once over all watchers, and return what became of them.

    `build` returns `done` for whatever could be judged, also where nothing passed, or nothing can. An error
    it raises settles the release as failed, except a transient one, which is tried again at the next look,
    and one that may be this machine's, which is tried again `MAX_ATTEMPTS` times. A revision that another
    watcher is building is left to it; one in which nothing that is built changed is skipped; one that changed
    while others were built is left to the next look. An interruption settles nothing and does not count as an
    attempt.
    """
    look = looker.look(watch_list)
    outcomes = [_unreachable(missed.label, missed.error) for missed in look.unreachable]
    claims = Claims(looker.store.root)
    for release in look.releases:
        overtaken = _overtaken(release, looker)
        if overtaken is not None:
            outcomes.append(overtaken)
            continue
        with claims.taken(release.key, release.contents) as claim:
            if claim is not None and release.same_as is not None:
                outcomes.append(_skip(release, claim, claims, release.same_as))
            elif claim is not None:
                outcomes.append(_build(release, claim, claims, build))
    return tuple(outcomes)


def _overtaken(release: Release, looker: Looker) -> ReleaseOutcome | None:
    """Return what becomes of a release that is not any more what was looked at; None where it still is.

    Builds before it take hours: what is built is read anew, and must not be settled as what was there before.
    """
    try:
        key = looker.key_of(release.followed)
    except QuantgateError as error:
        return _unreachable(release.followed.label, error)
    if key == release.key:
        return None
    return _outcome(release, "postponed", 0, "changed since it was looked at")


def _skip(release: Release, claim: Claim, claims: Claims, same_as: Claim) -> ReleaseOutcome:
    """Settle a release that holds nothing to build anew as the one that it is like."""
    assert same_as.state != "claimed"
    detail = f"{release.news}; as {same_as.revision[:12]}: {same_as.state}"
    claims.settle(claim, same_as.state, detail)
    return _outcome(release, "skipped", 0, detail)


def _build(
    release: Release, claim: Claim, claims: Claims, build: Callable[[Release], ReleaseOutcome]
) -> ReleaseOutcome:
    if claim.attempts > MAX_ATTEMPTS:
        detail = f"given up: {MAX_ATTEMPTS} watchers ended while building it"
        outcome = _outcome(release, "failed", WorkerError.exit_code, detail)
    else:
        try:
            outcome = _attempt(release, build)
        except (InterruptionError, KeyboardInterrupt):
            claims.postpone(claim, "interrupted")
            raise
    if outcome.state == "postponed":
        claims.postpone(claim, outcome.detail)
    elif outcome.state == "unfinished" and claim.attempts < MAX_ATTEMPTS:
        claims.leave_open(claim, outcome.detail)
    else:
        claims.settle(claim, "done" if outcome.state == "done" else "failed", outcome.detail)
    return outcome


def _attempt(release: Release, build: Callable[[Release], ReleaseOutcome]) -> ReleaseOutcome:
    try:
        return build(release)
    except InterruptionError:
        raise
    except QuantgateError as error:
        return _outcome(release, _state_after(error), error.exit_code, str(error))


def _state_after(error: QuantgateError) -> State:
    if isinstance(error, ServiceError) and error.transient:
        return "postponed"
    if isinstance(error, UnprovableError):
        return "done"
    return "unfinished" if isinstance(error, OF_THIS_MACHINE) else "failed"


def _unreachable(label: str, error: QuantgateError) -> ReleaseOutcome:
    return ReleaseOutcome(
        label=label,
        revision=None,
        state="unreachable",
        exit_code=error.exit_code,
        detail=str(error),
    )


def _outcome(release: Release, state: State, exit_code: int, detail: str) -> ReleaseOutcome:
    return ReleaseOutcome(
        label=release.followed.label,
        revision=release.revision,
        state=state,
        exit_code=exit_code,
        detail=detail,
    )
