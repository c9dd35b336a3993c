"""Hosts with networks of their own: a network namespace each, joined to this machine by two interfaces."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNetwork:
    """What a command is run with there, and this machine's address as it is seen from there."""

    command: tuple[str, ...]
    this_machine: str


@contextmanager
def host_network(number: int) -> Iterator[HostNetwork | None]:
    """Make one, from 1 to 60; None where this machine does not let us."""
    name = f"qg{os.getpid() % 100_000}n{number}"  # interfaces have at most 15 characters
    subnet = f"10.231.{os.getpid() % 250}.{number * 4}"
    here, there = f"{subnet.rpartition('.')[0]}.{number * 4 + 1}", f"{number * 4 + 2}"
    inside = ("ip", "netns", "exec", name)
    made = [
        ("ip", "netns", "add", name),
        ("ip", "link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b"),
        ("ip", "link", "set", f"{name}b", "netns", name),
        ("ip", "addr", "add", f"{here}/30", "dev", f"{name}a"),
        ("ip", "link", "set", f"{name}a", "up"),
        (*inside, "ip", "addr", "add", f"{here.rpartition('.')[0]}.{there}/30", "dev", f"{name}b"),
        (*inside, "ip", "link", "set", f"{name}b", "up"),
        (*inside, "ip", "link", "set", "lo", "up"),
    ]
    try:
        done = all(_succeeds(command) for command in made)
        yield HostNetwork(command=inside, this_machine=here) if done else None
    finally:
        _succeeds(("ip", "link", "del", f"{name}a"))
        _succeeds(("ip", "netns", "del", name))


def _succeeds(command: tuple[str, ...]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
