"""Deployments by list and team: two that follow releases on one Prefect server never overwrite each other."""

import fcntl
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import digest_of

FLOW = "watch-releases"
_TEAM = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
_DIGEST_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """A releases file that is followed into a store, by a team or by nobody in particular.

    `watch_list` and `store` are absolute; `host` is the machine whose files these are.
    """

    watch_list: Path
    store: Path
    host: str
    team: str | None

    @classmethod
    def here(cls, watch_list: Path, store: Path, team: str | None) -> "Following":
        """Return what this machine follows.

        Raises:
            InputError: the team's name is none.
        """
        if team is not None and not _TEAM.match(team):
            raise InputError(
                f"'{team[:60]}' is no team's name",
                where="--team",
                next_step="letters, digits, dots, dashes and underscores, at most 40",
            )
        host = socket.gethostname()
        return cls(watch_list=watch_list.resolve(), store=store.resolve(), host=host, team=team)

    @property
    def name(self) -> str:
        """What the deployment is called: by team and list, or by the list and where it lies."""
        stem = _NOT_IN_NAMES.sub("-", self.watch_list.stem).strip("-.") or "releases"
        if self.team is not None:
            return f"{self.team}-{stem}"
        place = digest_of([self.host, str(self.watch_list), str(self.store)])
        return f"{stem}-{place[:_DIGEST_LENGTH]}"

    @property
    def parameters(self) -> dict[str, str]:
        """What the flow is called with."""
        return {"watch_list": str(self.watch_list), "store": str(self.store)}

    @property
    def tags(self) -> list[str]:
        """What tells this deployment from another of its name."""
        return [f"host:{self.host}"]

    def refuse_clash(self, parameters: dict[str, object], tags: list[str]) -> None:
        """Refuse a name under which somebody else follows something else on the same server.

        Raises:
            InputError: naming it.
        """
        if parameters == self.parameters and set(self.tags) <= set(tags):
            return
        host = next((tag.partition(":")[2] for tag in tags if tag.startswith("host:")), "?")
        raise InputError(
            f"is the deployment of {parameters.get('watch_list')} into {parameters.get('store')} on {host}",
            where=f"{FLOW}/{self.name}",
            next_step="give --team another name",
        )

    @contextmanager
    def served_once(self) -> Iterator[None]:
        """Hold this deployment for the time of a block.

        Raises:
            InputError: another process serves it.
        """
        path = self.store / "releases" / f"serving-{self.name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise InputError(
                    f"is served already, by process {lock.read().strip() or '?'}",
                    where=str(self.watch_list),
                    next_step="end that one first, or give this one another store",
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield
