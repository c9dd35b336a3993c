"""What was measured so far, written after every step: a run that is cut off leaves all that it knew."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.records import write_text

SCHEMA = "quantgate.gpu-check/1"


class LeftOutError(Exception):
    """A step has nothing to say, and why."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds that a run may take, from when it was made."""

    seconds: float
    began: float = field(default_factory=time.monotonic)

    @property
    def left_seconds(self) -> float:
        """What remains of them."""
        return self.began + self.seconds - time.monotonic()


@dataclass(slots=True)
class Journal:
    """A JSON file of facts, what steps measured, and why others have nothing."""

    file: Path
    facts: JsonObject
    steps: JsonObject = field(default_factory=dict)
    left_out: JsonObject = field(default_factory=dict)

    def measured(self, step: str, values: JsonObject, seconds: float) -> None:
        """Keep what a step measured, and write the file."""
        self.steps[step] = {"seconds": round(seconds, 1), **values}
        self.write()

    def leave_out(self, step: str, reason: str) -> None:
        """Keep why a step has nothing, and write the file."""
        self.left_out[step] = reason
        self.write()

    def write(self) -> None:
        """Write the file whole."""
        document = {
            "schema": SCHEMA,
            "facts": self.facts,
            "steps": self.steps,
            "left_out": self.left_out,
        }
        write_text(self.file, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
