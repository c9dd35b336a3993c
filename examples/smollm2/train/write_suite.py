"""Write the own suite and the traffic for calibration: `python examples/smollm2/train/write_suite.py`.

Both are drawn by seed, so that the same files come out each time. Takes a second; needs PyYAML alone.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from lessons import SHARES, lessons
from support_desk.texts import Names, Population
from tasks import FAMILIES
from tasks.long_context import draw_of_length
from tasks.task import Json, Task

EXAMPLE = Path(__file__).resolve().parents[1]
SUITE_SEED = 7
TRAFFIC_SEED = (
    9  # with 8, a conversation is too much like an item: the program's own check names it
)
_TRAFFIC_ROWS = 600
_SIZES = {
    "facts": 40,
    "sums": 48,
    "extraction": 48,
    "format": 48,
    "refusal": 36,
    "german": 48,
}
# How many long texts of how many characters: about 200, 500, 2,000 and 3,900 tokens. Few are very long, since
# a token costs the more, the more stand before it. Each text is asked about once: items that share one prove
# no more than one item.
_LONG = {800: 23, 2_200: 5, 8_800: 1, 17_600: 1}


def main() -> None:
    """Write `suite/items.jsonl` and `traffic/messages.jsonl` below a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=EXAMPLE, help="example folder")
    output: Path = parser.parse_args().output
    _write_lines(output / "suite" / "items.jsonl", _items())
    _write_lines(output / "traffic" / "messages.jsonl", _traffic())


def _items() -> Iterator[Mapping[str, Json]]:
    for name, tasks in _drawn().items():
        for number, task in enumerate(tasks, 1):
            yield {
                "id": f"{name}-{number:02d}",
                "prompt": task.prompt,
                "expected": task.expected,
                "slices": [task.slice],
                "grader": task.grader,
            }


def _drawn() -> dict[str, list[Task]]:
    """Draw every family's tasks, no question twice; each family has a generator of its own."""
    drawn: dict[str, list[Task]] = {}
    for at, (name, size) in enumerate(_SIZES.items()):
        names = Names(random.Random(100 * SUITE_SEED + at), Population.HELD_OUT)
        tasks: dict[str, Task] = {}
        while len(tasks) < size:
            task = FAMILIES[name](names)
            tasks.setdefault(task.prompt, task)
        drawn[name] = list(tasks.values())
    names = Names(random.Random(100 * SUITE_SEED + len(_SIZES)), Population.HELD_OUT)
    lengths = [characters for characters, count in _LONG.items() for _ in range(count)]
    drawn["long_context"] = [draw_of_length(names, characters) for characters in lengths]
    return drawn


def _traffic() -> Iterator[Mapping[str, Json]]:
    """Yield conversations as training has them: calibration may see what training saw."""
    for number, lesson in enumerate(islice(lessons(TRAFFIC_SEED, SHARES), _TRAFFIC_ROWS), 1):
        yield {
            "id": f"t-{number:03d}",
            "messages": [
                {"role": "user", "content": lesson.question},
                {"role": "assistant", "content": lesson.answer},
            ],
        }


def _write_lines(path: Path, rows: Iterable[Mapping[str, Json]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    main()
