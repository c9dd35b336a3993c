"""Who does not build something, and why: the end of an attempt, not an error."""

from collections.abc import Iterator
from contextlib import contextmanager

from quantgate.pipelines.domain.errors import InterruptionError, QuantgateError, ToolchainError

PROGRAM, AUDIT = "quantgate", "the audit"
CONVERTER, TRANSFORMERS = "llama.cpp's converter", "transformers"
REHEARSAL = "llama.cpp, while planning"
"""Its converter, or what loads what that makes, before anything is converted."""
TOOLS = {"llamacpp": "llama.cpp", "llmcompressor": "llm-compressor", "transformers": TRANSFORMERS}
"""By the names of backends and runtimes."""


class Refused(Exception):  # noqa: N818  # no error: an attempt's end
    """Somebody does not build it."""

    def __init__(self, by: str, reason: str) -> None:
        """Say who, and why."""
        super().__init__(reason)
        self.by, self.reason = by, reason


@contextmanager
def refusing(by: str) -> Iterator[None]:
    """Let an error of the block be somebody's refusal; trouble of this machine stays what it is.

    Raises:
        Refused: with the error's own words.
    """
    try:
        yield
    except (InterruptionError, ToolchainError):
        raise
    except QuantgateError as error:
        raise Refused(by, error.what) from error
