"""What of a store may go, and letting it go: moved aside while no build begins, then removed."""

import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.build.clearing.needs import Needs
from quantgate.flows.build.clearing.usage import UsedPlans, is_made, nobody_begins
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.sharing.entries import ARRIVING

_AGE = re.compile(r"(\d{1,6}) ?([hdw])")
_SECONDS = {"h": 3600.0, "d": 86400.0, "w": 604800.0}

VARIANT, LOGITS, DOWNLOAD, UNPACKED = "variant", "logits", "download", "unpacked checkpoint"
LOG, ANSWERS, HALF_FETCHED = "log", "unfinished answers", "half-fetched folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removable:
    """Something of a store that may go; `size_bytes` is what that frees."""

    kind: str
    path: Path
    size_bytes: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Something of the same kind that stays, and why."""

    kind: str
    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """What may go of a store and what stays; `unasked` says why the registry could not be asked."""

    store: Path
    removable: tuple[Removable, ...]
    kept: tuple[Kept, ...]
    unasked: str | None

    @property
    def size_bytes(self) -> int:
        """What would be freed."""
        return sum(each.size_bytes for each in self.removable)


def parse_age(text: str) -> float:
    """Return an age such as `30d`, `12h` or `2w` in seconds.

    Raises:
        InputError: it is none.
    """
    written = _AGE.fullmatch(text.strip().lower())
    if written is None:
        raise InputError(
            f"'{text}' is no age", where="--older-than", next_step="write it like 30d, 12h or 2w"
        )
    return float(written[1]) * _SECONDS[written[2]]


def find_removable(store: Store, needs: Needs, *, older_than_seconds: float) -> Clearing:
    """Look through a store; nothing is removed.

    What was changed within `older_than_seconds` stays, and so does what somebody makes just now.
    """
    before = time.time() - older_than_seconds  # noqa: TID251 - files bear the time of day
    removable, kept = list[Removable](), list[Kept]()
    for candidate in _candidates(store):
        size_bytes, changed_at = _extent(candidate.path)
        needed = candidate.needed_by(needs)
        if needed is None and is_made(candidate.path):
            needed = "somebody is making it"
        if needed is None and changed_at > before:
            needed = "it was changed more recently than --older-than says"
        if needed is None:
            removable.append(
                Removable(
                    kind=candidate.kind,
                    path=candidate.path,
                    size_bytes=size_bytes,
                    reason=candidate.reason,
                )
            )
        else:
            kept.append(Kept(kind=candidate.kind, path=candidate.path, reason=needed))
    return Clearing(
        store=store.root,
        removable=tuple(removable),
        kept=tuple(kept),
        unasked=needs.unasked,
    )


def remove(store: Store, shown: Clearing, find_again: Callable[[UsedPlans], Clearing]) -> Clearing:
    """Remove what was shown and may still go, and return just that.

    `find_again` looks once more, told which plans are in use. Builds that begin meanwhile wait until what
    goes is out of the way; somebody else who removes has their turn first. A program that is killed here
    leaves a staging folder, which the next build removes.

    Raises:
        OSError: a file cannot be removed.
    """
    agreed = {each.path for each in shown.removable}
    with exclusive(store.root / ".gc.lock"):
        trash = store.root / f".gc.staging-{uuid.uuid4().hex[:8]}"
        trash.mkdir()
        with nobody_begins(store) as running:
            again = find_again(running)
            going = tuple(each for each in again.removable if each.path in agreed)
            for number, each in enumerate(going):
                each.path.rename(trash / str(number))
        shutil.rmtree(trash)
    return Clearing(store=store.root, removable=going, kept=again.kept, unasked=again.unasked)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    kind: str
    path: Path
    reason: str

    def needed_by(self, needs: Needs) -> str | None:
        if self.kind == VARIANT:
            return needs.of_variant(self.path)
        if self.kind in (LOGITS, DOWNLOAD, UNPACKED) and needs.champions_unknown:
            return "a champion may have been made from it"
        if self.kind in (LOG, ANSWERS, HALF_FETCHED) and needs.running:
            return "a build is running"
        return needs.of(self.path)


def _candidates(store: Store) -> Iterator[_Candidate]:
    """Yield what could go by its kind; links are left alone."""
    root = store.root
    kinds = (
        (
            VARIANT,
            store.variants,
            "*",
            "no version is registered of it; the same build makes it anew",
        ),
        (LOGITS, root / "checkpoints", "*/logits-*", "made again when asked for"),
        (DOWNLOAD, root / "downloads", "*/*", "downloaded again when asked for"),
        (UNPACKED, root / "unpacked", "*", "made again of its GGUF file"),
        (ANSWERS, root / "unfinished", "*", "of a run or corpus that nobody goes on with"),
        (HALF_FETCHED, root / ARRIVING, "*", "fetched again from the shared store when needed"),
        (LOG, root / "logs", "*", "no build is running"),
    )
    for kind, folder, pattern, reason in kinds:
        for path in sorted(folder.glob(pattern)):
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if not hidden and not path.is_symlink():
                yield _Candidate(kind=kind, path=path, reason=reason)


def _extent(path: Path) -> tuple[int, float]:
    """Return how many bytes a file or folder frees, and when it was changed last.

    Files that have another name elsewhere free nothing.
    """
    size, changed = 0, path.lstat().st_mtime
    paths = [path]
    for place, _, names in os.walk(path):
        paths += [Path(place, name) for name in names]
    for each in paths:
        try:
            stat = each.lstat()
        except FileNotFoundError:  # somebody removed it just now
            continue
        changed = max(changed, stat.st_mtime)
        if each.is_file() and stat.st_nlink == 1 and not each.is_symlink():
            size += stat.st_size
    return size, changed
