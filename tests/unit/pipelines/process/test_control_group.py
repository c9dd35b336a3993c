"""What a control group leaves, in both versions of the kernel's interface, as its files say it."""

from pathlib import Path

import pytest

from quantgate.pipelines.process.control_group import ControlGroups

UNLIMITED = 9223372036854771712  # version 1's way of saying so: the largest multiple of a page


def groups(folder: Path, membership: str, files: dict[str, object]) -> ControlGroups:
    for name, content in files.items():
        file = folder / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n")
    folder.mkdir(exist_ok=True)
    (folder / "membership").write_text(membership)
    return ControlGroups(root=folder / "cgroup", membership=folder / "membership")


def first_version(
    limit: int, used: int, group: str = "memory", cached: int = 0
) -> dict[str, object]:
    return {
        f"{group}/memory.limit_in_bytes": limit,
        f"{group}/memory.usage_in_bytes": used,
        f"{group}/memory.stat": f"cache {cached}\ninactive_file 1\ntotal_inactive_file {cached}",
    }


def second_version(
    limit: object, used: int, group: str = ".", cached: int = 0
) -> dict[str, object]:
    return {
        f"{group}/memory.max": limit,
        f"{group}/memory.current": used,
        f"{group}/memory.stat": f"anon {used - cached}\ninactive_file {cached}",
    }


@pytest.mark.parametrize(
    ("membership", "files", "free"),
    [
        ("0::/\n", {}, None),
        ("0::/\n", second_version("max", 5), None),
        ("0::/\n", second_version(105, 5), 100),
        ("0::/\n", second_version(105, 95, cached=60), 70),
        ("0::/\n", second_version(100, 120), 0),
        ("0::/a/b\n", second_version(105, 5, "a/b") | second_version("max", 9, "a"), 100),
        ("0::/a/b\n", second_version("max", 5, "a/b") | second_version(55, 5, "a"), 50),
        ("0::/not/seen/here\n", second_version(105, 5), 100),
        ("4:memory:/\n", first_version(UNLIMITED, 5), UNLIMITED - 5),
        ("4:memory:/\n", first_version(105, 5), 100),
        ("4:memory:/\n", first_version(105, 95, cached=60), 70),
        ("4:memory:/a/b\n", first_version(105, 5, "memory/a/b"), 100),
        (
            "4:memory:/a/b\n0::/\n",
            first_version(UNLIMITED, 5, "memory/a/b") | first_version(55, 5, "memory/a"),
            50,
        ),
        ("4:memory:/docker/of/the/host\n", first_version(105, 5), 100),
        ("4:cpuset,memory:/a\n", first_version(105, 5, "cpuset,memory/a"), 100),
    ],
)
def test_free_memory_is_the_least_that_any_group_leaves(
    membership: str, files: dict[str, object], free: int | None, tmp_path: Path
) -> None:
    assert groups(tmp_path, membership, files).free_memory_bytes() == free


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/\n", {}, None),
        ("0::/\n", {"cpu.max": "max 100000"}, None),
        ("0::/\n", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/a\n", {"a/cpu.max": "max 100000", "cpu.max": "200000 100000"}, 2.0),
        ("3:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": -1, "cpu/cpu.cfs_period_us": 100000}, None),
        (
            "3:cpu,cpuacct:/a\n",
            {
                "cpu,cpuacct/a/cpu.cfs_quota_us": 50000,
                "cpu,cpuacct/a/cpu.cfs_period_us": 100000,
            },
            0.5,
        ),
    ],
)
def test_cores_are_the_least_that_any_group_allows(
    membership: str, files: dict[str, object], cores: float | None, tmp_path: Path
) -> None:
    assert groups(tmp_path, membership, files).cores() == cores


def test_the_limit_of_memory_is_the_least_of_any_group(tmp_path: Path) -> None:
    second = second_version("max", 5, "a") | second_version(55, 50)
    assert groups(tmp_path / "2", "0::/a\n", second).memory_limit_bytes() == 55
    first = first_version(UNLIMITED, 5, "memory/a") | first_version(77, 5)
    assert groups(tmp_path / "1", "4:memory:/a\n", first).memory_limit_bytes() == 77


def test_a_system_without_control_groups_has_no_limits(tmp_path: Path) -> None:
    nowhere = ControlGroups(root=tmp_path / "absent", membership=tmp_path / "absent")
    assert nowhere.free_memory_bytes() is None
    assert nowhere.memory_limit_bytes() is None
    assert nowhere.cores() is None
