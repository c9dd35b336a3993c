"""Versions of installed packages, which identities name again and again: each is read once a process."""

import importlib.metadata
from functools import cache


@cache
def installed_version(package: str) -> str:
    """Return a package's version, as its metadata has it.

    Raises:
        PackageNotFoundError: it is not installed.
    """
    return importlib.metadata.version(package)
