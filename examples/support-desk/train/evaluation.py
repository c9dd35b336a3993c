"""Greedy answers of a saved checkpoint, compared with the expected calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from messages import Message
from transformers import AutoModelForCausalLM, AutoTokenizer

MAX_ANSWER_TOKENS = 64
_BATCH_MESSAGES = 64


def answers(checkpoint: Path, texts: Sequence[str]) -> list[str]:
    """What the checkpoint answers to each text, decoded greedily in float32."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    replies = [""] * len(texts)
    by_length = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    for start in range(0, len(texts), _BATCH_MESSAGES):
        indices = by_length[start : start + _BATCH_MESSAGES]
        chats = [[{"role": "user", "content": texts[index]}] for index in indices]
        prompts = tokenizer.apply_chat_template(
            chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            tokens = model.generate(**prompts, max_new_tokens=MAX_ANSWER_TOKENS, do_sample=False)
        decoded = tokenizer.batch_decode(
            tokens[:, prompts["input_ids"].shape[1] :], skip_special_tokens=True
        )
        for index, reply in zip(indices, decoded, strict=True):
            replies[index] = reply
    return replies


def is_right(reply: str, message: Message) -> bool:
    """Whether a reply is the expected call: same JSON value, whatever the order of its keys."""
    try:
        return bool(json.loads(reply) == message.call)
    except json.JSONDecodeError:
        return False


def accuracy_by_slice(
    messages: Sequence[Message], replies: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """Right answers and items for `total` and for each slice."""
    counts: dict[str, tuple[int, int]] = {"total": (0, 0)}
    for message, reply in zip(messages, replies, strict=True):
        right = is_right(reply, message)
        for name in ("total", *message.slices):
            before_right, before_items = counts.get(name, (0, 0))
            counts[name] = (before_right + right, before_items + 1)
    return counts
