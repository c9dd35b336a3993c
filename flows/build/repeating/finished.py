"""Commands that ended with a finished build, and its result for the same command while nothing has changed.

Planning a build whose units are all sealed imports most of this program to find out that nothing is to be
done. So a command that ended with a complete build notes what its plan was made of (`reads.py`), what all of
it looked like (`stamps.py`), and under which circumstances (`circumstances.py`). While every stamp is the
same, the same command ends with the build's result at once; the registry is asked each time. In doubt the
build is planned as ever, so nothing is decided here that a plan would decide otherwise.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quantgate.flows.build.repeating.circumstances import circumstances
from quantgate.flows.build.repeating.reads import Reads
from quantgate.flows.build.repeating.stamps import (
    Stamp,
    is_as_stamped,
    stamp_of,
    stamps_below,
)
from quantgate.flows.build.results.build_result import BuildResult
from quantgate.flows.build.tracking import tracking
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import QuantgateError
from quantgate.pipelines.domain.values import Digest, JsonObject, digest_of
from quantgate.pipelines.files.records import read_checked, write_checked
from quantgate.pipelines.files.store import Store
from quantgate.registry import still_recorded
from quantgate.registry.recording.pending import pending_folder

_KEY_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedCommand:
    """What a command ended with: the result's file, and all that has to be as it was."""

    circumstances: Digest
    result: Path
    stamps: dict[str, Stamp]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCommand:
    """A command as it was asked, before anything else was done.

    `key` is the identity of its name and options, and of the folder that its paths start from.
    """

    key: Digest
    environment: Mapping[str, str] = field(repr=False)
    circumstances: Digest

    @classmethod
    def now(cls, options: Mapping[str, object]) -> "AskedCommand":
        """Return what is asked here and now."""
        asked: JsonObject = {name: str(value) for name, value in sorted(options.items())}
        environment = dict(os.environ)
        return cls(
            key=digest_of([asked, str(Path.cwd())]),
            environment=environment,
            circumstances=circumstances(environment),
        )


def ended_before(command: AskedCommand, store: Store) -> bool:
    """Whether this command has ended with a finished build in this store, whatever has changed since."""
    return _path(command, store).is_file()


def note_finished(
    command: AskedCommand,
    result_file: Path,
    folders: Iterable[Path],
    reads: Reads,
    store: Store,
) -> bool:
    """Note how a command ended, where this process saw all that was read for its plan; say whether it did.

    `folders` are those that hold what was built, as they are now.
    """
    if reads.unseen or command.circumstances != circumstances(command.environment):
        return False
    sealed = {place: stamp for folder in folders for place, stamp in stamps_below(folder)}
    stamps = {**reads.stamps, **sealed, str(result_file): stamp_of(result_file)}
    if not _hold(stamps):
        return False
    finished = FinishedCommand(
        circumstances=command.circumstances, result=result_file, stamps=stamps
    )
    write_checked(_path(command, store), finished)
    return True


def finished_result(command: AskedCommand, settings: Settings) -> BuildResult | None:
    """Return the result that a command ended with before, where a plan would be the same; else None."""
    path = _path(command, settings.store)
    if not path.is_file() or any(pending_folder(settings.store).glob("*.json")):
        return None
    try:
        finished = read_checked(FinishedCommand, path)
        if not finished.result.is_relative_to(settings.store.root):
            return None  # of the store that this one is a copy of
        if finished.circumstances != command.circumstances or not _hold(finished.stamps):
            return None
        result, where = read_checked(BuildResult, finished.result), tracking(settings)
        recorded = all(still_recorded(receipt, where) for receipt in result.receipts)
    except (OSError, QuantgateError):
        return None
    return result if recorded and result.page.is_file() else None


def _hold(stamps: Mapping[str, Stamp]) -> bool:
    return all(is_as_stamped(path, stamp) for path, stamp in stamps.items())


def _path(command: AskedCommand, store: Store) -> Path:
    return store.root / "finished" / f"{command.key[:_KEY_LENGTH]}.json"
