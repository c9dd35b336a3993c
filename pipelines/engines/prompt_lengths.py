"""How long sequences get: what a server has to make room for."""

from collections.abc import Iterable
from pathlib import Path

from quantgate.pipelines.engines.request_files import read_prompts
from quantgate.pipelines.engines.requests import Prompt


def longest_sequence(prompts: Path, max_tokens: int) -> int:
    """Return the tokens of the longest prompt in a JSONL file with its answer."""
    return longest(read_prompts(prompts), max_tokens)


def longest(prompts: Iterable[Prompt], max_tokens: int) -> int:
    """Return the tokens of the longest prompt with its answer, by default `max_tokens` long."""
    return max(
        (len(prompt.token_ids) + (prompt.max_tokens or max_tokens) for prompt in prompts), default=1
    )
