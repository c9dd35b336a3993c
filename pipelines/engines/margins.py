"""What is asked of, and replied by, the worker that measures how sure a model is of its own answers."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginsCall:
    """Answer JSONL `prompts` (of `Prompt`) greedily; write JSONL `margins` (of `AnswerMargin`)."""

    model: Path
    prompts: Path
    margins: Path
    max_tokens: int
    stop_token_ids: tuple[int, ...]
    slots: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerMargin:
    """A greedy answer and its closest decision.

    `smallest` is how much higher the chosen token's logit was than the runner-up's, in nats, where the
    two were closest; `position` counts generated tokens from 0, and the one that ends the answer counts.
    """

    item_id: str
    answer: str
    smallest: float
    position: int
    chosen: str
    runner_up: str
    decisions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginsTally:
    """How many prompts were answered."""

    answered: int
