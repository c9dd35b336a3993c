"""Greedy answers of a model to items of a suite, graded by the program's own graders."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from transformers import AutoTokenizer, PreTrainedModel

from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.evaluation.graders.table import grade_answer, grader_for
from quantgate.pipelines.suites.load import load_suite

_BATCH_ITEMS = 12


def accuracy_by_slice(
    model: PreTrainedModel, checkpoint: Path, suite_folder: Path, per_slice: int
) -> dict[str, tuple[int, int]]:
    """Return right answers and items for each slice of a suite, of so many items a slice drawn by seed.

    Raises:
        InputError: where the suite cannot be read.
    """
    suite = load_suite(suite_folder)
    items = _sampled(suite, per_slice)
    counts: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for start in range(0, len(items), _BATCH_ITEMS):
        batch = items[start : start + _BATCH_ITEMS]
        for item, answer in zip(batch, _answers(model, checkpoint, suite, batch), strict=True):
            grader = grader_for(suite.grader_of(item), suite.thoughts)
            right = grade_answer(grader, answer, item).grade.correct
            for name in item.slices:
                counts[name] = (counts[name][0] + right, counts[name][1] + 1)
    return dict(counts)


def shown(accuracy: Mapping[str, tuple[int, int]]) -> str:
    """Say counts on one line."""
    return ", ".join(f"{name} {right}/{count}" for name, (right, count) in accuracy.items())


def _sampled(suite: Suite, per_slice: int) -> list[Item]:
    """Draw items by seed, the shortest of a batch beside each other."""
    rng = random.Random(0)
    by_slice: dict[str, list[Item]] = defaultdict(list)
    for item in suite.items:
        by_slice[item.slices[0]].append(item)
    drawn = [rng.sample(items, min(per_slice, len(items))) for items in by_slice.values()]
    return sorted((item for items in drawn for item in items), key=_length)


def _length(item: Item) -> int:
    return len(item.messages[-1].content)


def _answers(
    model: PreTrainedModel, checkpoint: Path, suite: Suite, items: Sequence[Item]
) -> list[Answer]:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, padding_side="left")
    chats = [[{"role": "user", "content": item.messages[-1].content}] for item in items]
    prompts = tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
    )
    limit = suite.decode.max_tokens
    with torch.inference_mode():
        tokens = model.generate(**prompts, max_new_tokens=limit, do_sample=False)
    texts = tokenizer.batch_decode(
        tokens[:, prompts["input_ids"].shape[1] :], skip_special_tokens=True
    )
    return [
        Answer(item_id=item.id, text=text, token_ids=(), finish_reason="stop", prompt_tokens=0)
        for item, text in zip(items, texts, strict=True)
    ]
