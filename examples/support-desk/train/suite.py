"""Writing the held-out suite and the traffic of the example as the files that a build reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from messages import Message, MessageSource
from tools import answer_text

# How many items of each kind the suite holds. Foreign and tail messages also count towards
# the slice of their structure, so that every slice has more than forty items.
SUITE_ITEMS: dict[str, int] = {
    "flat": 60,
    "five_arguments": 42,
    "nested": 42,
    "numeric": 42,
    "multilingual": 50,
    "long_context": 54,
    "refusal": 62,
    "injection": 56,
    "tail": 60,
}
TRAFFIC_MESSAGES = 1200


def draw_suite(source: MessageSource) -> dict[str, Message]:
    """Held-out messages by item id, no text twice."""
    items: dict[str, Message] = {}
    texts: set[str] = set()
    for kind, count in SUITE_ITEMS.items():
        number = 0
        while number < count:
            message = source.draw(kind)
            if message.text in texts:
                continue
            number += 1
            texts.add(message.text)
            items[f"{kind}-{number:04d}"] = message
    return items


def draw_traffic(source: MessageSource) -> dict[str, Message]:
    """Messages of the traffic population by id, no text twice."""
    by_text: dict[str, Message] = {}
    for message in source.stream():
        by_text.setdefault(message.text, message)
        if len(by_text) == TRAFFIC_MESSAGES:
            break
    return {f"t-{number:04d}": message for number, message in enumerate(by_text.values(), 1)}


def write_suite(items: Mapping[str, Message], path: Path) -> None:
    """Write `items.jsonl`."""
    _write_lines(
        path,
        (
            {
                "id": item_id,
                "messages": [{"role": "user", "content": message.text}],
                "expected": message.call,
                "slices": list(message.slices),
            }
            for item_id, message in items.items()
        ),
    )


def write_traffic(messages: Mapping[str, Message], path: Path) -> None:
    """Write `messages.jsonl`: whole conversations in OpenAI's chat form."""
    _write_lines(
        path,
        (
            {
                "id": message_id,
                "messages": [
                    {"role": "user", "content": message.text},
                    {"role": "assistant", "content": answer_text(message.call)},
                ],
            }
            for message_id, message in messages.items()
        ),
    )


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
