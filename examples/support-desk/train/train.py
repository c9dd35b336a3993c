"""Reproduce the whole example: `python examples/support-desk/train/train.py`.

Learns the tokenizer, trains the checkpoint, writes suite and traffic, measures the saved
checkpoint on the suite and writes its model card. Needs torch (2.9 or later), transformers,
tokenizers and PyYAML; takes minutes on two CPU cores.
"""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from checkpoint import save_weights
from evaluation import accuracy_by_slice, answers
from learning import Example, Schedule, new_model, train
from messages import Message, MessageSource
from model_card import Results, model_card
from names import Population
from phrases import load_books
from suite import draw_suite, draw_traffic, write_suite, write_traffic
from tokenizer import END, nameless_texts, save_tokenizer, train_tokenizer
from tools import answer_text
from transformers import AutoTokenizer

EXAMPLE_FOLDER = Path(__file__).resolve().parents[1]
CONTEXT_TOKENS = 512
# Each population has a seed of its own, so that resizing one leaves the others as they are.
_SEEDS = {Population.TRAIN: 1, Population.TRAFFIC: 2, Population.HELD_OUT: 3}

log = logging.getLogger("train")


def main() -> None:
    """Train in a temporary folder and move each finished part into place."""
    arguments = _parse_arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    books = load_books()
    source = {
        population: MessageSource(books, population, random.Random(seed))
        for population, seed in _SEEDS.items()
    }
    output: Path = arguments.output
    items = draw_suite(source[Population.HELD_OUT])
    write_suite(items, output / "suite" / "items.jsonl")
    write_traffic(draw_traffic(source[Population.TRAFFIC]), output / "traffic" / "messages.jsonl")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        schedule = Schedule(examples=arguments.examples)
        seconds = _train_checkpoint(folder, source[Population.TRAIN], schedule)
        replies = answers(folder, [message.text for message in items.values()])
        accuracy = accuracy_by_slice(list(items.values()), replies)
        results = Results(examples=schedule.examples, seconds=seconds, accuracy=accuracy)
        (folder / "README.md").write_text(model_card(results), encoding="utf-8")
        shutil.copytree(folder, output / "checkpoint", dirs_exist_ok=True)
    for name, (right, count) in accuracy.items():
        log.info("%-16s %3d of %3d  %5.1f %%", name, right, count, 100 * right / count)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=EXAMPLE_FOLDER, help="example folder")
    parser.add_argument("--examples", type=int, default=48_000, help="messages to learn from")
    return parser.parse_args()


def _train_checkpoint(folder: Path, source: MessageSource, schedule: Schedule) -> float:
    """Write tokenizer and weights into a folder; returns the seconds of training."""
    texts = nameless_texts(source.books, source.rng)
    save_tokenizer(train_tokenizer(texts), folder, max_length_tokens=CONTEXT_TOKENS)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(_SEEDS[Population.TRAIN])
    model = new_model(
        vocabulary_size=len(tokenizer),
        pad=tokenizer.pad_token_id,
        begin=tokenizer.bos_token_id,
        end=tokenizer.eos_token_id,
    )
    examples = _examples(source.stream(), folder)
    seconds = train(model, examples, schedule, seed=_SEEDS[Population.TRAIN])
    save_weights(model, folder)
    return seconds


def _examples(messages: Iterator[Message], tokenizer_folder: Path) -> Iterator[Example]:
    """Encode messages exactly as a runtime will, through the chat template."""
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


if __name__ == "__main__":
    main()
