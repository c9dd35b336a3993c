"""What is asked of the worker that writes logs which inspect-ai opens."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.suites.suite import Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectCall:
    """Write `run` of `suite` as an `.eval` file; `quantgate` is the version that says so in the log."""

    run: Run
    suite: Suite
    output: Path
    created_at: str
    quantgate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectWritten:
    """How many samples the log holds."""

    samples: int
