"""Locks hold what every release of Python 3.11 needs, not only the one that they were resolved with."""

from importlib.metadata import distributions

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.project import PROJECT

INSTALLED = {canonicalize_name(each.metadata["Name"]): each for each in distributions()}
LOCKED = frozenset(
    canonicalize_name(line.partition("==")[0])
    for line in (PROJECT / "requirements" / "main.lock").read_text().splitlines()
    if "==" in line and not line.startswith("#")
)


@pytest.mark.parametrize("release", ["3.11.0", "3.11.2", "3.11.14"])
def test_what_a_locked_package_needs_in_some_release_of_python_is_locked(release: str) -> None:
    """Debian 12 has 3.11.2, for which `redis` needs a package that 3.11.3 brings itself."""
    environment = {name: str(text) for name, text in default_environment().items()}
    environment |= {"python_full_version": release, "python_version": "3.11", "extra": ""}
    missing = [
        f"{name} needs {needed}"
        for name in sorted(LOCKED & INSTALLED.keys())
        for needed in map(Requirement, INSTALLED[name].requires or ())
        if needed.marker is not None
        and needed.marker.evaluate(environment)
        and canonicalize_name(needed.name) not in LOCKED
    ]
    assert missing == []
