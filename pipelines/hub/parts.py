"""Which files of a repository make a checkpoint, and which part of it each belongs to."""

import re
from typing import Literal

CheckpointPart = Literal["weights", "tokenizer", "chat template", "config"]

WEIGHTS = re.compile(r"^model(-\d+-of-\d+)?\.safetensors$")
_TEMPLATES = re.compile(r"^additional_chat_templates/[\w.-]+\.jinja$", re.ASCII)
_SMALL_FILES: dict[str, CheckpointPart] = {
    "config.json": "config",
    "generation_config.json": "config",
    "tokenizer.json": "tokenizer",
    "tokenizer.model": "tokenizer",
    "tokenizer_config.json": "tokenizer",
    "special_tokens_map.json": "tokenizer",
    "added_tokens.json": "tokenizer",
    "vocab.json": "tokenizer",
    "merges.txt": "tokenizer",
    "chat_template.jinja": "chat template",
    "chat_template.json": "chat template",
    "model.safetensors.index.json": "weights",
}


def part_of(name: str) -> CheckpointPart | None:
    """Return the part that a file belongs to; None for one that is not fetched.

    A template that stands in `tokenizer_config.json` counts as the tokenizer's.
    """
    if WEIGHTS.match(name):
        return "weights"
    if _TEMPLATES.match(name):
        return "chat template"
    return _SMALL_FILES.get(name)
