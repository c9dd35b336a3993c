"""What is asked of lm-evaluation-harness in a child process, and what it replies."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.values import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class LmEvalTask:
    """A task as the harness knows it.

    `name` is a task or group of its catalogue or of the YAML files in `include`; `shots` None takes the
    task's own number, `limit` None all documents. With `chat` its contexts become conversations for the
    model's chat template, otherwise raw text that is completed.
    """

    name: str
    include: Path | None = None
    shots: int | None = None
    limit: int | None = None
    chat: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportCall:
    """Write a task's documents as suite items to JSONL `items`."""

    task: LmEvalTask
    items: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written. `versions` are the tasks' own by name, `max_tokens` the most any answer may have."""

    items: int
    tasks: tuple[str, ...]
    versions: JsonObject
    description: str
    max_tokens: int
