"""The identity of our own code: the digest of a module and of every module of ours that it reaches.

What is sealed was made by code, and is made anew once that code says something else. Which modules take part
is read from the modules themselves, so that none can be forgotten: those that they import (at the top, or
inside a function), packages on the way there, and those whose dotted name stands as a text of its own, as
workers are called. Imports for type checkers alone (`if TYPE_CHECKING:`) do not count. Files of data that
stand beside a module and that it names (`small_words.yaml`) are part of its source.

Parsing all modules takes a second, so what each one names is remembered by its path, size and time of change.
"""

import ast
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.files.source_mentions import PACKAGE, data_files, mentioned_modules
from quantgate.pipelines.files.tool_cache import tool_cache

ROOT = Path(__file__).resolve().parents[2]
HOUSES = ("pipelines", "calibration", "registry", "flows")
_ONLY_WORDS = frozenset(
    {
        "quantgate.pipelines.domain.errors",
        "quantgate.pipelines.files.validation_wording",
        "quantgate.pipelines.process.forking.families",
        "quantgate.pipelines.process.secrecy",
    }
)
"""Every child process has these, to say what went wrong without a secret in it, or is started by them. They
decide no byte, no answer and no verdict, so their edits make nothing anew."""
_KEY_LENGTH = 8
_VERSION = 3
"""Of what is remembered: another reading of sources forgets it all."""


def source_digest(*modules: str, alone: Iterable[str] = ()) -> Digest:
    """Return one digest over the sources of modules and of all modules of ours that they reach.

    Of those in `alone` the own source counts, and nothing they reach. Kept for the life of the process, so
    that an edit while a build runs does not split it.

    Raises:
        ImportError: where a module does not exist.
    """
    return _digest(modules, tuple(alone))


def reached(*modules: str) -> frozenset[str]:
    """Return the dotted names of modules of ours that these reach, themselves included.

    Raises:
        ImportError: where a module does not exist.
    """
    return _sources().reached(modules)


@dataclass(slots=True)
class Sources:
    """The modules of one checkout, for any number of threads.

    `memory` keeps what was read of them, None keeps nothing.
    """

    root: Path
    memory: Path | None = None
    _read: dict[str, "_Source"] = field(default_factory=dict)
    _remembered: dict[str, dict[str, Any]] | None = None
    _is_new: bool = False
    _paths: dict[str, Path | None] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def reached(self, modules: Iterable[str]) -> frozenset[str]:
        """See the function `reached`."""
        with self._lock:
            names = self._reached(modules)
            self._remember()
        return names

    def digest(self, modules: Iterable[str], alone: Iterable[str] = ()) -> Digest:
        """Return what `source_digest` does, for the modules of this checkout."""
        with self._lock:
            names = sorted({*self._reached(modules), *alone})
            digest = digest_of([[name, self._source(name).sha256] for name in names])
            self._remember()
        return digest

    def _reached(self, modules: Iterable[str]) -> frozenset[str]:
        seen: set[str] = set()
        waiting = list(modules)
        for name in waiting:
            if self._path(name) is None:
                raise ImportError(f"no source for module {name}")
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            named = self._source(name).names
            waiting += [
                module for module in named if module not in seen and module not in _ONLY_WORDS
            ]
        return frozenset(seen)

    def _source(self, name: str) -> "_Source":
        if name not in self._read:
            self._read[name] = self._looked_up(name)
        return self._read[name]

    def _looked_up(self, name: str) -> "_Source":
        path = self._path(name)
        if path is None:
            raise ImportError(f"no source for module {name}")
        remembered = self._memories().get(name)
        if remembered and remembered["files"] == _stamps(path.parent, remembered["files"]):
            names = [module for module in remembered["names"] if self._path(module) is not None]
            return _Source(sha256=remembered["sha256"], names=tuple(names))
        tree = ast.parse(path.read_bytes(), filename=str(path))
        mentioned = {name.rpartition(".")[0], *mentioned_modules(tree)} - {"", name}
        names = sorted(module for module in mentioned if self._path(module) is not None)
        files = [path.name, *sorted({*data_files(tree, path.parent)} - {path.name})]
        sha256 = digest_of([file_digest(path.parent / file) for file in files])
        stamps = _stamps(path.parent, files)
        self._memories()[name] = {"files": stamps, "sha256": sha256, "names": names}
        self._is_new = True
        return _Source(sha256=sha256, names=tuple(names))

    def _path(self, name: str) -> Path | None:
        if name not in self._paths:
            self._paths[name] = self._path_of(name)
        return self._paths[name]

    def _path_of(self, name: str) -> Path | None:
        top, *parts = name.split(".")
        if top != PACKAGE or not parts or parts[0] not in HOUSES:
            return None
        place = self.root.joinpath(*parts)
        module = place.with_name(f"{place.name}.py")
        if module.is_file():
            return module
        package = place / "__init__.py"
        return package if package.is_file() else None

    def _memories(self) -> dict[str, dict[str, Any]]:
        if self._remembered is None:
            self._remembered = _kept(self.memory, self.root)
        return self._remembered

    def _remember(self) -> None:
        if self.memory is None or not self._is_new:
            return
        kept = {"version": _VERSION, "root": str(self.root), "modules": self._memories()}
        try:
            self.memory.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.memory, json.dumps(kept))
        except OSError:
            return  # nothing but time is lost
        finally:
            self._is_new = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A module's digest, and the modules of ours that it names."""

    sha256: str
    names: tuple[str, ...]


@cache
def _sources() -> Sources:
    checkout = digest_of(str(ROOT))[:_KEY_LENGTH]
    return Sources(root=ROOT, memory=tool_cache() / f"sources-{checkout}.json")


@cache
def _digest(modules: tuple[str, ...], alone: tuple[str, ...]) -> Digest:
    return _sources().digest(modules, alone)


def _kept(memory: Path | None, root: Path) -> dict[str, dict[str, Any]]:
    """Return what is remembered; an unreadable memory, or one of another checkout, is an empty one."""
    if memory is None:
        return {}
    try:
        kept = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(kept, dict) or (kept.get("version"), kept.get("root")) != (
        _VERSION,
        str(root),
    ):
        return {}
    modules = kept.get("modules")
    if not isinstance(modules, dict) or not all(map(_is_entry, modules.values())):
        return {}
    return modules


def _is_entry(kept: object) -> bool:
    """Whether this is what `_looked_up` keeps of a module."""
    if not isinstance(kept, dict) or kept.keys() != {"files", "sha256", "names"}:
        return False
    names = kept["names"]
    return (
        isinstance(kept["files"], dict)
        and isinstance(kept["sha256"], str)
        and isinstance(names, list)
        and all(isinstance(module, str) for module in names)
    )


def _stamps(folder: Path, files: Iterable[str]) -> dict[str, list[int]]:
    """Return the size and time of change of files, none for one that is gone."""
    stamps: dict[str, list[int]] = {}
    for name in files:
        try:
            facts = (folder / name).stat()
        except OSError:
            stamps[name] = []
        else:
            stamps[name] = [facts.st_size, facts.st_mtime_ns]
    return stamps
