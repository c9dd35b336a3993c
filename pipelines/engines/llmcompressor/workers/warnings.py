"""The tools' own warnings, collected verbatim from the three ways in which they are given."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from loguru import logger

_SERIOUS = ("WARNING", "ERROR", "CRITICAL")


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Yield a list that fills with each different warning of loguru, `logging` and `warnings`, in order.

    To be entered after `import llmcompressor`, which removes loguru's sinks.
    """
    texts: list[str] = []

    def add(text: str) -> None:
        if text not in texts:
            texts.append(text)

    # By name: llm-compressor's own METRIC level ranks above WARNING without being one.
    sink = logger.add(
        lambda message: add(message.record["message"]),
        filter=lambda record: record["level"].name in _SERIOUS,
        format="{message}",
    )
    handler = _Handler(add)
    loggers = [logging.getLogger(), logging.getLogger("transformers")]
    for each in loggers:
        each.addHandler(handler)
    show = warnings.showwarning

    def show_and_add(message: Warning | str, *rest: Any, **named: Any) -> None:
        add(str(message))
        show(message, *rest, **named)

    warnings.showwarning = show_and_add
    try:
        yield texts
    finally:
        warnings.showwarning = show
        for each in loggers:
            each.removeHandler(handler)
        logger.remove(sink)


class _Handler(logging.Handler):
    def __init__(self, add: Callable[[str], None]) -> None:
        super().__init__(level=logging.WARNING)
        self._add = add

    def emit(self, record: logging.LogRecord) -> None:
        self._add(record.getMessage())
