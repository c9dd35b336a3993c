"""Python environments of their own, for packages whose pins clash with the main one.

`requirements/setup` makes them from a lock file in the tool cache, beside their place, and moves them
there whole: an interpreter in place means a complete environment. The folder's name holds the lock's
digest, so that a changed lock is another environment and never a half-matching old one.
"""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.hashing import file_digest

_NAME_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedEnvironment:
    """One environment: what it is for, the lock it is made from, and the one command that makes it."""

    name: str
    lock: Path
    tool_cache: Path
    command: str

    @property
    def digest(self) -> Digest:
        """Identity: the sha256 of the lock file.

        Raises:
            ToolchainError: where there is no lock file.
        """
        try:
            return file_digest(self.lock)
        except OSError as error:
            raise ToolchainError(
                f"the lock of the environment '{self.name}' cannot be read ({error.strerror})",
                where=str(self.lock),
                next_step="run quantgate from its own checkout, which holds requirements/",
            ) from error

    @property
    def folder(self) -> Path:
        """Where it stands, or will stand."""
        return self.tool_cache / f"{self.name}-{self.digest[:_NAME_DIGITS]}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def missing(self) -> str | None:
        """Return None when it is made, else one sentence: what is missing and how to get it."""
        if not self.lock.is_file():
            return f"{self.lock} is missing: run quantgate from its own checkout"
        if self.python.is_file():
            return None
        return f"the environment '{self.name}' is not made here: run `{self.command}`"

    def version(self, package: str) -> str:
        """Return the version of a package that is installed in it, without starting it.

        Raises:
            ToolchainError: where the environment, or the package in it, is missing.
        """
        if missing := self.missing():
            raise ToolchainError(missing, next_step="`make doctor` says more")
        sites = [str(path) for path in self.folder.glob("lib/python3*/site-packages")]
        for distribution in importlib.metadata.distributions(name=package, path=sites):
            return distribution.version
        raise ToolchainError(
            f"the environment '{self.name}' lacks {package}",
            where=str(self.folder),
            next_step=f"remove this folder and run `{self.command}`",
        )
