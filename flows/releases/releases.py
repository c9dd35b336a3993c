"""Following releases: what is new, and building each new revision once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from quantgate.flows.releases.claims import Claim, Claims
from quantgate.flows.releases.sources import Hub, folder_revision
from quantgate.flows.releases.watch_list import Followed
from quantgate.pipelines.domain.errors import (
    InterruptionError,
    QuantgateError,
    ServiceError,
    ToolchainError,
    UnprovableError,
    WorkerError,
)
from quantgate.pipelines.files.store import Store

MAX_ATTEMPTS = 3
"""How often a build may take its watcher down with it, or fail for want of something here."""

OF_THIS_MACHINE = (ToolchainError, WorkerError, ServiceError)
"""Errors that may be this machine's (no disk, no memory, a killed child) and say nothing of a release."""

State = Literal["done", "failed", "postponed", "unfinished", "unreachable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A revision that is to be built. `model` is what to build: a folder, or `org/name@<commit>`."""

    followed: Followed
    revision: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """A source that could not be looked at, and why; the others were."""

    label: str
    error: QuantgateError


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReleases:
    """What one look at all followed sources showed: what is not settled yet, and who did not answer."""

    releases: tuple[Release, ...]
    unreachable: tuple[Unreachable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOutcome:
    """What became of one entry. `exit_code` is the build's (0, 10, 11) or the error's.

    `postponed` is tried again at the next look, `unfinished` too but not more than `MAX_ATTEMPTS` times in
    all, `unreachable` could not be looked at.
    """

    label: str
    revision: str | None
    state: State
    exit_code: int
    detail: str


def new_releases(watch_list: tuple[Followed, ...], state_store: Store, hub: Hub) -> NewReleases:
    """Look at every source once and return the revisions that nobody has settled yet.

    A source that does not answer is a value and does not stop the others.
    """
    claims = Claims(state_store.root)
    releases: list[Release] = []
    unreachable: list[Unreachable] = []
    for followed in watch_list:
        try:
            release = _current(followed, state_store, hub)
            if claims.is_open(followed.label, release.revision):
                releases.append(release)
        except QuantgateError as error:
            unreachable.append(Unreachable(label=followed.label, error=error))
    return NewReleases(releases=tuple(releases), unreachable=tuple(unreachable))


def watch_once(
    watch_list: tuple[Followed, ...],
    state_store: Store,
    hub: Hub,
    *,
    build: Callable[[Release], ReleaseOutcome],
) -> tuple[ReleaseOutcome, ...]:
    """Build every new revision, each exactly once over all watchers, and return what became of them.

    `build` returns `done` for whatever could be judged, also where nothing passed, or nothing can. An error
    it raises settles the release as failed, except a transient one, which is tried again at the next look,
    and one that may be this machine's, which is tried again `MAX_ATTEMPTS` times. A revision that another
    watcher is building is left to it. An interruption settles nothing and does not count as an attempt.
    """
    look = new_releases(watch_list, state_store, hub)
    outcomes = [
        ReleaseOutcome(
            label=missed.label,
            revision=None,
            state="unreachable",
            exit_code=missed.error.exit_code,
            detail=str(missed.error),
        )
        for missed in look.unreachable
    ]
    claims = Claims(state_store.root)
    for release in look.releases:
        with claims.taken(release.followed.label, release.revision) as claim:
            if claim is not None:
                outcomes.append(_build(release, claim, claims, build))
    return tuple(outcomes)


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


def _outcome(release: Release, state: State, exit_code: int, detail: str) -> ReleaseOutcome:
    return ReleaseOutcome(
        label=release.followed.label,
        revision=release.revision,
        state=state,
        exit_code=exit_code,
        detail=detail,
    )


def _current(followed: Followed, store: Store, hub: Hub) -> Release:
    if followed.hub is None:
        revision, model = folder_revision(followed.folder, store), str(followed.folder)
    else:
        revision = hub.revision(followed.hub)
        model = f"{followed.hub.repository}@{revision}"
    return Release(followed=followed, revision=revision, model=model)
