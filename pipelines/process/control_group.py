"""What a container, or any other control group, lets this process use: memory and cores (Linux).

Version 2 has one tree with `memory.max`, `memory.current` and `cpu.max`; version 1 a tree for each controller
with `memory.limit_in_bytes`, `memory.usage_in_bytes` and `cpu.cfs_quota_us` over `cpu.cfs_period_us`
(Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of the kernel). A group is bound by its own
limits and by those of every group above it. /proc/self/cgroup tells which one this process is in; inside a
container that path is often the host's and not to be seen, and the root of the tree is the container's group.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlGroups:
    """The groups this process is in. `root` is where their trees are mounted, `membership` lists them."""

    root: Path = _ROOT
    membership: Path = _MEMBERSHIP

    def free_memory_bytes(self) -> int | None:
        """Return the least that any group leaves, None where none has a limit.

        What only caches files counts as free, for the kernel takes it back before it refuses anything.
        """
        left = [size for group in self._groups("memory") if (size := _left(group)) is not None]
        return min(left, default=None)

    def memory_limit_bytes(self) -> int | None:
        """Return the least that any group may hold at all, None where none has a limit."""
        names = ("memory.max", "memory.limit_in_bytes")
        limits = [_number(group / name) for group in self._groups("memory") for name in names]
        return min((limit for limit in limits if limit is not None), default=None)

    def cores(self) -> float | None:
        """Return the least processor time a second that any group allows, None where none has a limit."""
        quotas = [quota for group in self._groups("cpu") if (quota := _quota(group)) is not None]
        return min(quotas, default=None)

    def _groups(self, controller: str) -> Iterator[Path]:
        """Yield the folders of this process's groups, innermost first, each tree's root last."""
        for tree, path in self._paths(controller):
            groups = (tree / group for group in (path, *path.parents))
            yield from (group for group in groups if group.is_dir())

    def _paths(self, controller: str) -> Iterator[tuple[Path, Path]]:
        yield self.root, Path()
        try:
            lines = self.membership.read_text().splitlines()
        except OSError:
            lines = []
        for line in lines:
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if not controllers:
                yield self.root, Path(path.lstrip("/"))
            elif controller in controllers.split(","):
                yield self._tree(controllers, controller), Path(path.lstrip("/"))
        yield self._tree(controller, controller), Path()

    def _tree(self, controllers: str, controller: str) -> Path:
        """Controllers that are mounted together stand in one folder, with links of their own names."""
        together = self.root / controllers
        return together if together.is_dir() else self.root / controller


def _left(group: Path) -> int | None:
    for limit_name, used_name, cache_name in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit, used = _number(group / limit_name), _number(group / used_name)
        if limit is not None and used is not None:
            return max(0, limit - used + _statistic(group / "memory.stat", cache_name))
    return None


def _quota(group: Path) -> float | None:
    quota, period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
    if words := _words(group / "cpu.max"):
        quota, period = _read_number(words[0]), _read_number(words[-1])
    return quota / period if quota is not None and period else None


def _words(file: Path) -> tuple[str, ...]:
    try:
        return tuple(file.read_text().split())
    except OSError:
        return ()


def _number(file: Path) -> int | None:
    """The number a file begins with; None where there is no file or no limit."""
    words = _words(file)
    return _read_number(words[0]) if words else None


def _read_number(word: str) -> int | None:
    return int(word) if word.isdigit() else None  # `max`, and -1 in version 1, are no limit


def _statistic(file: Path, name: str) -> int:
    words = _words(file)
    return next((int(value) for key, value in pairwise(words) if key == name), 0)
