"""Every error this program raises on purpose, and the exit code each one ends the program with.

QuantgateError
├── CrashError            1   a fault of this program (flows.cli.crashes): its traceback is in the log
├── InputError            2   a file, flag or name the user gave is wrong
├── CheckpointError       3   the checkpoint is refused (pickle, missing tokenizer, NaN, truncated …)
├── ToolchainError        4   a tool, compiler, package or disk space is missing
├── WorkerError           5   a child process was killed, timed out or broke its promise
│   └── ChildCrashError   5   a child process ended by itself over what it was given
│       └── ChildAbortError 5  by a signal it brought upon itself, not by an exception
├── ServiceError          6   MLflow, Prefect, a hub or a model server did not answer, or refused
├── UnprovableError      11   the base is reliably right on too few items for any variant to pass
├── NotFoundError        12   a look-up found nothing
└── InterruptionError   130   the program is being ended (143 where SIGTERM asked for it)

Only a `ChildCrashError` or a `CheckpointError` may say something of the files a child was given: whatever was
interrupted, killed from outside or short of memory or disk says nothing of them.

Exit codes 0 (something passed and is registered), 10 (all failed), 11 (nothing passed, something was
inconclusive) and 13 (something passed and could not be registered) are verdicts, not errors: see
`pipelines.domain.verdicts.verdict`.
"""

from pathlib import Path
from typing import ClassVar

from quantgate.pipelines.domain.secrets import redacted


class QuantgateError(Exception):
    """A failure with a place, a next step and, where a child process was involved, its log."""

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        next_step: str | None = None,
        log: Path | None = None,
    ) -> None:
        """Say what failed; `where` names the file, unit or item, `next_step` what to do about it.

        Texts often hold what a library or a server said: secrets are taken out here, once for all places
        that an error reaches.
        """
        self.what = redacted(what)
        super().__init__(self.what)
        self.where = redacted(where) if where else where
        self.next_step = redacted(next_step) if next_step else next_step
        self.log = log

    def __str__(self) -> str:
        """Render as the few lines a person reads at the terminal."""
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.next_step:
            lines.append(f"  next: {self.next_step}")
        if self.log:
            lines.append(f"  log:  {self.log}")
        return "\n".join(lines)


class InputError(QuantgateError):
    """A file, flag or name the user gave is wrong."""

    exit_code = 2


class CheckpointError(QuantgateError):
    """A checkpoint is refused, or does not fit a recipe."""

    exit_code = 3


class ToolchainError(QuantgateError):
    """A tool, compiler, package, environment or disk space is missing."""

    exit_code = 4


class WorkerError(QuantgateError):
    """A child process was killed, timed out, or did not deliver what it promised."""

    exit_code = 5


class ChildCrashError(WorkerError):
    """A child process ended by itself over its input: an uncaught exception, or a `ChildAbortError`."""


class ChildAbortError(ChildCrashError):
    """A child process ended by a signal that it brought upon itself (SIGABRT, SIGSEGV, SIGBUS …)."""


class ServiceError(QuantgateError):
    """A service (MLflow, Prefect, a hub, a server) did not answer or refused; `transient`: may be retried."""

    exit_code = 6

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        next_step: str | None = None,
        transient: bool = False,
    ) -> None:
        """As `QuantgateError`; `transient` says that the same call may succeed later."""
        super().__init__(what, where=where, next_step=next_step)
        self.transient = transient


class UnprovableError(QuantgateError):
    """What the base gets reliably right is too little to prove anything of a variant.

    It ends a build before anything is built, with the code that an inconclusive one ends with.
    """

    exit_code = 11


class NotFoundError(QuantgateError):
    """A look-up found nothing."""

    exit_code = 12


class InterruptionError(QuantgateError):
    """Work was not done, or not finished, because the program is being ended: no result, no finding."""

    exit_code = 130
