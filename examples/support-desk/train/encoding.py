"""Messages to token ids, exactly as a runtime will see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from learning import CONTEXT_TOKENS, Example
from messages import Message
from tokenizer import END
from tools import answer_text
from transformers import AutoTokenizer


def encoded(messages: Iterator[Message], tokenizer_folder: Path) -> Iterator[Example]:
    """Yield messages that fit the context as examples, through the chat template."""
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    for message in messages:
        chat = [{"role": "user", "content": message.text}]
        prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        example = Example(
            prompt=tokenizer.encode(prompt, add_special_tokens=False),
            answer=tokenizer.encode(answer_text(message.call) + END, add_special_tokens=False),
        )
        if len(example) <= CONTEXT_TOKENS:
            yield example
