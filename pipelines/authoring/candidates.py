"""What a suite can be proposed from: conversations of real traffic, each up to what the user asked last."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.evaluation.chat import ChatFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteCandidate:
    """A conversation that ends with a user's message; `question` is that message."""

    source: str
    messages: tuple[Message, ...]
    tools: tuple[JsonObject, ...]
    question: str
    token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Candidates in file order, and how many rows were left out and why."""

    candidates: tuple[SuiteCandidate, ...]
    rows: int
    repeated: int
    unasked: int
    too_long: int


ReadTraffic = Callable[[Path, ChatFormat, int], Traffic]
"""Reads a chat log; candidates have at most so many tokens.

Raises InputError with the lines it cannot use.
"""
