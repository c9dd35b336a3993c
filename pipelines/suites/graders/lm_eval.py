"""Options of the grader that asks lm-evaluation-harness."""

from typing import Literal

from pydantic import Field

from quantgate.pipelines.suites.graders.base import GraderFile


class LmEvalFile(GraderFile):
    """The task's own metric; `quantgate suite import lm-eval:TASK` writes suites that use it."""

    kind: Literal["lm_eval"]
    task: str
    """Task or group of lm-evaluation-harness."""
    include: str | None = None
    """Folder of your own task files."""
    filter: str | None = None
    """Which of the task's filters decides; its first one if not said."""
    metric: str | None = None
    """Which of its metrics decides; its first one if not said."""
    threshold: float = Field(default=1.0, gt=0, le=1)
    """From which value on an answer is right."""
