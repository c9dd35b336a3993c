"""The files that requests name: prompts to be answered, and texts to be tokenized alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.files.records import from_json_text

PROBED_TOKENS = 1024
"""How much of the longest text a probe decodes: all of 4,000 tokens takes half of an audit of a small model.

Logits are looked at again at every compared position, and wherever an item is answered.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeText:
    """A rendered text and the ids the base's tokenizer gives it."""

    id: str
    text: str
    token_ids: tuple[int, ...]


def read_prompts(file: Path) -> list[Prompt]:
    """Return the prompts of a JSONL file, in its order."""
    return [from_json_text(Prompt, line) for line in file.read_bytes().splitlines() if line]


def probe_texts(file: Path) -> Iterator[ProbeText]:
    """Yield the texts of a JSONL file, in its order."""
    with file.open("rb") as lines:
        for line in lines:
            yield from_json_text(ProbeText, line)
