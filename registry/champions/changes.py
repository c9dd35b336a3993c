"""How aliases changed, as tags of the registered model: one tag a change, the oldest of many removed.

`registry/reading/alias_changes.py` says how a tag reads. What somebody asked for (a rollback) is a change
with the number of the newest version there was: evidence from before it does not undo it.

Bounds: MLflow's databases hold 5,000 characters of a registered model's tag (`registered_model_tags.value`)
and 250 of its name.
"""

import getpass
import json
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from quantgate.registry.protocol import AliasChange, Registry
from quantgate.registry.reading.alias_changes import PREFIX, change_of

MOST_CHANGES = 30
"""Changes of one alias that are kept; what was asked for last stays beside them."""
LONGEST_REASON = 500
_LONGEST_ACTOR = 100
_LEAST_STEP = timedelta(milliseconds=1)
_NEWEST = "newest"
_NOT_IN_KEYS = re.compile(r"\D")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedChange:
    """A change and the name of its tag.

    `newest` is the number of the newest version that there was when somebody asked for it, None where
    evidence made it.
    """

    key: str
    change: AliasChange
    newest: int | None

    @property
    def moment(self) -> datetime:
        """When it was."""
        moment = moment_of(self.change)
        assert moment is not None  # others are passed over when changes are read
        return moment

    @property
    def requested(self) -> bool:
        """Whether somebody asked for it."""
        return self.newest is not None


def recorded_changes(tags: Mapping[str, str], alias: str) -> tuple[RecordedChange, ...]:
    """Return the changes of an alias that a registered model's tags hold, oldest first."""
    changes = []
    for key, text in tags.items():
        change = change_of(text) if key.startswith(PREFIX) else None
        if change is not None and change.alias == alias and moment_of(change) is not None:
            newest = json.loads(text).get(_NEWEST)
            changes.append(
                RecordedChange(
                    key=key, change=change, newest=newest if isinstance(newest, int) else None
                )
            )
    return tuple(sorted(changes, key=lambda recorded: (recorded.moment, recorded.key)))


def newest_request(changes: tuple[RecordedChange, ...]) -> RecordedChange | None:
    """Return what somebody asked for last; None where nobody did."""
    return next((change for change in reversed(changes) if change.requested), None)


def write_change(
    registry: Registry, model: str, change: AliasChange, newest: int | None = None
) -> None:
    """Add a change to a registered model's tags, and remove those that are too many."""
    before = recorded_changes(registry.model_tags(model) or {}, change.alias)
    moment = _moment(change, before)
    text = json.dumps(
        {
            **asdict(change),
            "at": moment.isoformat(),
            "reason": _cut(change.reason, LONGEST_REASON),
            "actor": _cut(change.actor, _LONGEST_ACTOR),
            **({} if newest is None else {_NEWEST: newest}),
        },
        ensure_ascii=False,
    )
    digits = _NOT_IN_KEYS.sub("", moment.isoformat(timespec="microseconds").partition("+")[0])
    registry.set_model_tag(model, f"{PREFIX}{digits}-{secrets.token_hex(2)}.{change.alias}", text)
    asked = newest_request(before) if newest is None else None
    for old in before[: max(0, len(before) + 1 - MOST_CHANGES)]:
        if old != asked:
            registry.delete_model_tag(model, old.key)


def moment_of(change: AliasChange) -> datetime | None:
    """Return a change's moment, UTC where it names no zone; None where it says none."""
    try:
        moment = datetime.fromisoformat(change.at)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def now() -> str:
    """Return this moment as changes spell it."""
    return datetime.now(UTC).isoformat()


def this_actor() -> str:
    """Return who acts, where nobody says so: the user at this machine."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _moment(change: AliasChange, before: tuple[RecordedChange, ...]) -> datetime:
    """Return a change's moment: after that of the last one, whatever this machine's clock says."""
    moment = moment_of(change) or datetime.now(UTC)
    return max(moment, before[-1].moment + _LEAST_STEP) if before else moment


def _cut(text: str, longest: int) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"
