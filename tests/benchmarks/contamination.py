"""How long a million chat rows take against a thousand items, and how much memory: rows made on the fly."""

import os
import random
import resource
import time
from collections.abc import Iterator

from quantgate.calibration.checks.contamination import contaminations
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.suites.suite import Item, Message
from quantgate.pipelines.files.store import Store

ROWS, ITEMS = 1_000_000, 1_000
SECONDS, BYTES = 120.0, 1_000_000_000
SENTENCES, WORDS = 50_000, 40_000
_KIBIBYTE = 1024
PLANTED = 50


def run(_store: Store) -> None:
    """Print seconds, memory and how many of the planted copies were found."""
    threads = min(2, len(os.sched_getaffinity(0)))
    processor = time.process_time()
    seconds, found, characters = measure(ROWS, ITEMS, threads)
    processor = time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIBIBYTE
    print(
        f"contamination of {ROWS:,} rows ({characters / 1e9:.2f} GB) x {ITEMS:,} items on {threads} threads: "
        f"{seconds:.0f} s ({processor:.0f} CPU s), wanted {SECONDS:g}; peak {peak / 1e6:.0f} MB, wanted "
        f"{BYTES / 1e6:g}; {found} of {PLANTED} planted copies found",
        flush=True,
    )


def measure(rows: int, items: int, threads: int) -> tuple[float, int, int]:
    """Return seconds, planted copies found, and characters of all rows; the making of rows is included."""
    draw = random.Random(0)
    sentences = _sentences(draw, SENTENCES)
    questions = [
        _item(
            f"i{number}", [draw.choice(sentences), *own]
        )  # a sentence that rows have too, and two of its own
        for number, own in enumerate(zip(*[iter(_sentences(draw, 2 * items))] * 2, strict=True))
    ]
    sizes: list[int] = []
    started = time.perf_counter()
    found = contaminations(
        _rows(draw, sentences, questions, rows, sizes), questions, threads=threads
    )
    return time.perf_counter() - started, len(found), sum(sizes)


def _rows(
    draw: random.Random,
    sentences: list[str],
    questions: list[Item],
    count: int,
    sizes: list[int],
) -> Iterator[CorpusSequence]:
    """About a kilobyte each: a question and an answer; every so often a reworded copy of an item."""
    every = max(1, count // PLANTED)
    fresh = [sentence.split() for sentence in sentences[:1000]]
    for number in range(count):
        texts = [" ".join(draw.choices(sentences, k=count_of)) for count_of in (4, 9)]
        if number % every == every // 2:
            words = questions[number // every].messages[0].content.split()
            kept = words[: len(words) * 4 // 5]
            kept[3] = fresh[number % 1000][0]
            texts[0] = f"{texts[0]} {' '.join(kept).upper()}"
        sizes.append(len(texts[0]) + len(texts[1]))
        yield CorpusSequence(
            id=str(number),
            messages=(
                Message(role="user", content=texts[0]),
                Message(role="assistant", content=texts[1]),
            ),
        )


def _item(name: str, said: list[str]) -> Item:
    message = Message(role="user", content=" ".join(said))
    return Item(id=name, messages=(message,), expected="", slices=("all",))


def _sentences(draw: random.Random, count: int) -> list[str]:
    """Sentences of made-up words whose frequencies fall as those of a language do (Zipf)."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    words = ["".join(draw.choices(syllables, k=draw.randint(1, 5))) for _ in range(WORDS)]
    weights = [1 / (rank + 3) for rank in range(WORDS)]
    return [
        " ".join(draw.choices(words, weights, k=draw.randint(8, 16))).capitalize() + "."
        for _ in range(count)
    ]


if __name__ == "__main__":
    from pathlib import Path

    run(Store(root=Path()))
