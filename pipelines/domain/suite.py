"""A task suite: items with expectations, in slices that are judged on their own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.domain.values import Digest, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One chat message."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeSettings:
    """How answers are sampled; temperature 0 is greedy."""

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderSpec:
    """Which grader judges the answers: `tool_call` or `exact`."""

    kind: Literal["tool_call", "exact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question. `expected` is what its grader compares with; `slices` names where it counts."""

    id: str
    messages: tuple[Message, ...]
    expected: JsonValue
    slices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceSpec:
    """A named subset. A critical slice tolerates no break at all."""

    name: str
    description: str
    critical: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Items in file order with one grader and one set of decode settings; `digest` covers all of it."""

    name: str
    version: int
    description: str
    folder: Path
    digest: Digest
    grader: GraderSpec
    decode: DecodeSettings
    slices: tuple[SliceSpec, ...]
    items: tuple[Item, ...]
