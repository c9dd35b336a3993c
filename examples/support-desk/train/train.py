"""Reproduce the whole example: `python examples/support-desk/train/train.py`.

Learns the tokenizer, trains the checkpoint, writes suite and traffic, measures the saved
checkpoint on the suite and writes its model card. Needs torch (2.9 or later), transformers,
tokenizers and PyYAML; takes an hour and a half on two CPU cores.
"""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import tempfile
import time
from itertools import islice
from pathlib import Path

from checkpoint import save_weights
from evaluation import accuracy_by_slice, answers
from learning import CONTEXT_TOKENS, Schedule
from messages import MessageSource
from model_card import Results, model_card
from names import Population
from parallel import train
from phrases import load_books
from suite import draw_suite, draw_traffic, write_suite, write_traffic
from tokenizer import build_tokenizer, save_tokenizer, words_of
from tools import TOOLS, answer_text, call_of, refusal

EXAMPLE_FOLDER = Path(__file__).resolve().parents[1]
_TOKENIZER_MESSAGES = 20_000
# Each population has a seed of its own, so that resizing one leaves the others as they are.
_SEEDS = {Population.TRAIN: 1, Population.TRAFFIC: 2, Population.HELD_OUT: 3}

# Each phase goes on with what the ones before had learnt least.
_PHASES = (
    Schedule(
        examples=50_000,
        peak_rate=2.5e-3,
        mix={
            "flat": 0.08,
            "five_arguments": 0.18,
            "nested": 0.20,
            "numeric": 0.09,
            "multilingual": 0.15,
            "long_context": 0.04,
            "refusal": 0.07,
            "injection": 0.07,
            "tail": 0.12,
        },
    ),
    Schedule(
        examples=44_000,
        peak_rate=1.8e-3,
        mix={
            "flat": 0.20,
            "five_arguments": 0.20,
            "nested": 0.15,
            "numeric": 0.06,
            "multilingual": 0.13,
            "long_context": 0.05,
            "refusal": 0.06,
            "injection": 0.06,
            "tail": 0.09,
        },
    ),
    Schedule(
        examples=26_000,
        peak_rate=1.5e-3,
        mix={
            "flat": 0.04,
            "five_arguments": 0.20,
            "nested": 0.22,
            "numeric": 0.10,
            "multilingual": 0.10,
            "long_context": 0.16,
            "refusal": 0.03,
            "injection": 0.05,
            "tail": 0.10,
        },
    ),
    # The committed weights met lines in any order (`[[a; b]]`) from here on.
    Schedule(
        examples=90_000,
        peak_rate=1.8e-3,
        mix={
            "flat": 0.05,
            "five_arguments": 0.20,
            "nested": 0.20,
            "numeric": 0.08,
            "multilingual": 0.12,
            "long_context": 0.13,
            "refusal": 0.05,
            "injection": 0.06,
            "tail": 0.11,
        },
    ),
    Schedule(
        examples=40_000,
        peak_rate=1.4e-3,
        mix={
            "flat": 0.05,
            "five_arguments": 0.11,
            "nested": 0.13,
            "numeric": 0.03,
            "multilingual": 0.20,
            "long_context": 0.07,
            "refusal": 0.05,
            "injection": 0.11,
            "tail": 0.25,
        },
    ),
    Schedule(
        examples=44_000,
        peak_rate=1.6e-3,
        mix={
            "flat": 0.04,
            "five_arguments": 0.14,
            "nested": 0.13,
            "numeric": 0.03,
            "multilingual": 0.10,
            "long_context": 0.17,
            "refusal": 0.03,
            "injection": 0.06,
            "tail": 0.30,
        },
    ),
    Schedule(
        examples=18_000,
        peak_rate=7e-4,
        from_mean_of=3,
        mix={
            "flat": 0.05,
            "five_arguments": 0.10,
            "nested": 0.10,
            "numeric": 0.03,
            "multilingual": 0.12,
            "long_context": 0.10,
            "refusal": 0.05,
            "injection": 0.10,
            "tail": 0.35,
        },
    ),
)

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
        started = time.monotonic()
        _train_checkpoint(folder, source[Population.TRAIN])
        seconds = time.monotonic() - started
        replies = answers(folder, [message.text for message in items.values()])
        accuracy = accuracy_by_slice(list(items.values()), replies)
        examples = sum(phase.examples for phase in _PHASES)
        results = Results(examples=examples, seconds=seconds, accuracy=accuracy)
        (folder / "README.md").write_text(model_card(results), encoding="utf-8")
        shutil.copytree(folder, output / "checkpoint", dirs_exist_ok=True)
    for name, (right, count) in accuracy.items():
        log.info("%-16s %3d of %3d  %5.1f %%", name, right, count, 100 * right / count)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=EXAMPLE_FOLDER, help="example folder")
    return parser.parse_args()


def _train_checkpoint(folder: Path, source: MessageSource) -> None:
    """Write tokenizer and weights into a folder."""
    content = build_tokenizer(_sample_texts(source), _known_words(source))
    save_tokenizer(content, folder, max_length_tokens=CONTEXT_TOKENS)
    save_weights(train(folder, _PHASES, seed=_SEEDS[Population.TRAIN]), folder)


def _sample_texts(source: MessageSource) -> list[str]:
    messages = islice(source.stream(), _TOKENIZER_MESSAGES)
    return [text for message in messages for text in (message.text, answer_text(message.call))]


def _known_words(source: MessageSource) -> set[str]:
    """The words of the phrase book and of the calls, but no name."""
    calls = [call_of(name, dict.fromkeys(tool.slots, "")) for name, tool in TOOLS.items()]
    calls += [refusal(reason) for reason in source.books["en"].refusals]
    lines = [line for book in source.books.values() for line in book.lines()]
    return words_of(lines + [answer_text(call) for call in calls])


if __name__ == "__main__":
    main()
