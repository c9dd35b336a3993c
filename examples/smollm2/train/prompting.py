"""Lessons as token ids, exactly as a runtime will see them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from lessons import Lesson
from support_desk.batches import Example
from transformers import AutoTokenizer

_END = "<|im_end|>"


class ChatEncoder:
    """The chat template and the tokenizer of a checkpoint.

    `opening` are the token ids with which every prompt begins: the template's own system message.
    """

    def __init__(self, checkpoint: Path) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        pairs = zip(self._prompt("a"), self._prompt("0"), strict=False)
        self.opening = [first for first, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]

    def encode(self, lesson: Lesson) -> Example:
        """Return a lesson as prompt tokens after the opening, and answer tokens with the end of the turn."""
        prompt = self._prompt(lesson.question)
        return Example(prompt=prompt[len(self.opening) :], answer=self._ids(lesson.answer + _END))

    def examples(self, lessons: Iterator[Lesson]) -> Iterator[Example]:
        """Yield lessons as examples."""
        return map(self.encode, lessons)

    def _prompt(self, question: str) -> list[int]:
        chat = [{"role": "user", "content": question}]
        text = self._tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        return self._ids(text)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids
