"""To which version a rollback goes: the one that is asked for, else the last champion before this one."""

from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.registry.champions.changes import RecordedChange
from quantgate.registry.champions.choice import AliasCandidate
from quantgate.registry.champions.settling import Alias


def version_asked_for(
    to: str, alias: Alias, candidates: tuple[AliasCandidate, ...]
) -> AliasCandidate:
    """Return the version that is asked for.

    Raises:
        InputError: it may not be a champion.
        NotFoundError: it was not judged on the suite.
    """
    candidate = next((each for each in candidates if str(each.number) == to), None)
    if candidate is None:
        raise NotFoundError(
            f"no version {to} was judged on {alias.suite}; there are "
            + (", ".join(str(each.number) for each in candidates) or "none"),
            where=str(alias),
            next_step="name one of these with --to",
        )
    if not candidate.passing:
        raise InputError(
            f"version {to} {candidate.reason}",
            where=str(alias),
            next_step="name another one, or waive its verdict: quantgate waive "
            f"{alias.model}/{to} --reason TEXT --who NAME --until YYYY-MM-DD",
        )
    return candidate


def last_champion(
    alias: Alias,
    candidates: tuple[AliasCandidate, ...],
    changes: tuple[RecordedChange, ...],
    before: str | None,
) -> AliasCandidate:
    """Return the version that was champion before this one and may be it again.

    Raises:
        NotFoundError: there is none.
    """
    usable = {str(each.number): each for each in candidates if each.passing}
    for number in reversed(_reigns(changes, before)):
        if number != before and number in usable:
            return usable[number]
    others = sorted(usable.keys() - {before}, key=int)
    raise NotFoundError(
        "has had no other champion that still passes",
        where=str(alias),
        next_step=f"name a version: --to with one of {', '.join(others)}"
        if others
        else "build another variant that passes: quantgate quantize",
    )


def _reigns(changes: tuple[RecordedChange, ...], now_at: str | None) -> list[str]:
    """Return who was champion, oldest first; a rollback takes those back that it undid."""
    reigns: list[str] = []
    for recorded in changes:
        change = recorded.change
        if not reigns and change.before is not None:
            reigns.append(change.before)
        if change.after is None:
            continue
        if recorded.requested and change.after in reigns:
            while reigns[-1] != change.after:
                reigns.pop()
        elif reigns[-1:] != [change.after]:
            reigns.append(change.after)
    while now_at in reigns and reigns[-1] != now_at:
        reigns.pop()
    return reigns
