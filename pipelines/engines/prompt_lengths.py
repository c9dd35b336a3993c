"""How long sequences get: what a server has to make room for."""

import json
from collections.abc import Iterable
from pathlib import Path

from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.files.records import from_json


def longest_sequence(prompts: Path, max_tokens: int) -> int:
    """Return the tokens of the longest prompt in a JSONL file with its answer."""
    lines = prompts.read_text(encoding="utf-8").split("\n")
    return longest((from_json(Prompt, json.loads(line)) for line in lines if line), max_tokens)


def longest(prompts: Iterable[Prompt], max_tokens: int) -> int:
    """Return the tokens of the longest prompt with its answer, by default `max_tokens` long."""
    return max(
        (len(prompt.token_ids) + (prompt.max_tokens or max_tokens) for prompt in prompts), default=1
    )
