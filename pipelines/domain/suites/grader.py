"""Which grader judges an answer, by name and options."""

from dataclasses import dataclass, field
from typing import Literal

from quantgate.pipelines.domain.values import JsonObject

GraderKind = Literal[
    "exact",
    "choice",
    "regex",
    "contains",
    "json",
    "tool_call",
    "bfcl",
    "number",
    "math",
    "code",
    "refusal",
    "injection",
    "language",
    "chrf",
    "rouge",
    "similarity",
    "judge",
    "lm_eval",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderSpec:
    """Which grader judges an answer, with its options (JSON values; every grader lists its own)."""

    kind: GraderKind
    options: JsonObject = field(default_factory=dict)
