"""No secret leaves this process by what it or a library prints or logs.

`QuantgateError` redacts our own messages where they are made. Libraries have messages of their own: MLflow
logs the address that it cannot reach, with the password in it, and Prefect sends what is logged to its
database. So what is logged is redacted when the record is made, before any handler sees it, and what is
printed when it is written.
"""

import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from typing_extensions import override

from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.domain.secrets import redacted, without_values


class HidingStream:
    """A text stream that leaves secrets out; all but writing is the inner stream's own."""

    def __init__(self, inner: TextIO) -> None:
        """Write to `inner`."""
        self._inner = inner

    def write(self, text: str) -> int:
        """Write a text without secret values. Shapes are left alone: it may be an answer, or JSON."""
        self._inner.write(without_values(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        """Everything else."""
        return getattr(self._inner, name)


class ResultStream(HidingStream):
    """Standard output: a result that cannot be written is told as such, not as whatever was being done.

    `unread` says that nobody read on.
    """

    unread = False

    @override
    def write(self, text: str) -> int:
        """Write a text without secret values.

        Raises:
            BrokenPipeError: nobody reads it.
            ToolchainError: it cannot be written.
        """
        with self._errors():
            return super().write(text)

    def flush(self) -> None:
        """Hand on what was written; see `write`."""
        with self._errors():
            self._inner.flush()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self.unread = True
            raise
        except OSError as error:
            with suppress(OSError):
                # Else Python says at its end that the rest cannot be written either.
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._inner.fileno())
            raise ToolchainError(
                f"cannot be written ({error.strerror})",
                where="standard output",
                next_step="see to where it is sent, and run the same command again",
            ) from error


class TellingStream(HidingStream):
    """Standard error: what is told there is no result, so it is no failure that nobody can be told.

    Its reader may have ended, its terminal be gone, the disk of its file be full.
    """

    @override
    def write(self, text: str) -> int:
        """Write a text without secret values, if that can be."""
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written, if that can be."""
        with suppress(OSError):
            self._inner.flush()


def hide_secrets() -> None:
    """Redact what this process logs and prints from now on; calling it again changes nothing.

    A stream that the process was started without stays None, to which Python prints nothing.
    """
    if sys.stdout is not None and not isinstance(sys.stdout, HidingStream):
        sys.stdout = cast("TextIO", ResultStream(sys.stdout))
    if sys.stderr is not None and not isinstance(sys.stderr, HidingStream):
        sys.stderr = cast("TextIO", TellingStream(sys.stderr))
    factory = logging.getLogRecordFactory()
    if not isinstance(factory, HidingFactory):
        logging.setLogRecordFactory(HidingFactory(factory))


class HidingFactory:
    """Makes records whose message, and whose traceback, hold no secret; all else is as `inner` makes it.

    Others wrap a factory as well (Ray does), with one of these inside: each keeps the one that it was given.
    """

    def __init__(self, inner: Callable[..., logging.LogRecord]) -> None:
        """Make what `inner` makes."""
        self._inner = inner

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """Make a record."""
        record = self._inner(*args, **kwargs)
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            return record  # logging itself says what is wrong with its arguments
        hidden = redacted(message)
        if hidden != message:
            record.msg, record.args = hidden, None
        if record.exc_info:
            text = "".join(traceback.format_exception(*cast("Any", record.exc_info))).rstrip("\n")
            record.exc_text = redacted(text)
        return record
