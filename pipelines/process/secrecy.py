"""No secret leaves this process by what it or a library prints or logs.

`QuantgateError` redacts our own messages where they are made. Libraries have messages of their own: MLflow
logs the address that it cannot reach, with the password in it, and Prefect sends what is logged to its
database. So what is logged is redacted when the record is made, before any handler sees it, and what is
printed when it is written.
"""

import logging
import sys
import traceback
from typing import Any, TextIO, cast

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


def hide_secrets() -> None:
    """Redact what this process logs and prints from now on; calling it again changes nothing."""
    if not isinstance(sys.stdout, HidingStream):
        sys.stdout = cast("TextIO", HidingStream(sys.stdout))
    if not isinstance(sys.stderr, HidingStream):
        sys.stderr = cast("TextIO", HidingStream(sys.stderr))
    if logging.getLogRecordFactory() is not _record:
        _inner.append(logging.getLogRecordFactory())
        logging.setLogRecordFactory(_record)


_inner: list[Any] = []
"""The factory that made records before, last."""


def _record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """Make a record whose message, and whose traceback, hold no secret."""
    record: logging.LogRecord = _inner[-1](*args, **kwargs)
    try:
        message = record.getMessage()
    except (
        TypeError,
        ValueError,
        KeyError,
    ):  # logging itself says what is wrong with its arguments
        return record
    hidden = redacted(message)
    if hidden != message:
        record.msg, record.args = hidden, None
    if record.exc_info:
        text = "".join(traceback.format_exception(*cast("Any", record.exc_info))).rstrip("\n")
        record.exc_text = redacted(text)
    return record
