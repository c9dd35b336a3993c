"""Items that ask the same, or nearly: they count twice as evidence and are not."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import canonical_json
from quantgate.pipelines.language.words import normalized

_SHINGLE_WORDS = 3
_FEWEST_WORDS = 8
_NEARLY = 0.85
_ALMOST_ONE = 0.999
_CANDIDATES = 3
_COMMON = 64
"""Runs of words that more items share than this say nothing about a pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An item, and an earlier one that asks the same; `likeness` 1 is word for word."""

    item_id: str
    earlier_id: str
    likeness: float


def duplicates(items: Sequence[Item]) -> tuple[Pair, ...]:
    """Return items whose question stands earlier in the suite, word for word or nearly so.

    Compared are all messages and tools. Word for word (likeness 1) levels case and spacing alone, because
    brackets and signs can be what is asked about. Near means that with punctuation levelled too the
    Jaccard index over runs of three words is at least 0.85. Items of one group are known to be alike.
    """
    texts = [_asked(item) for item in items]
    pairs: list[Pair] = []
    first: dict[str, int] = {}
    for index, text in enumerate(texts):
        earlier = first.setdefault(text, index)
        if earlier != index and not _grouped(items[earlier], items[index]):
            pairs.append(Pair(item_id=items[index].id, earlier_id=items[earlier].id, likeness=1.0))
    return (*pairs, *_near(items, {index: normalized(text) for text, index in first.items()}))


def shingles(text: str) -> frozenset[str]:
    """Return the runs of three words in a text; the whole text where it is shorter."""
    words = text.split()
    runs = (words[i : i + _SHINGLE_WORDS] for i in range(max(1, len(words) - _SHINGLE_WORDS + 1)))
    return frozenset(" ".join(run) for run in runs)


def likeness(first: frozenset[str], second: frozenset[str]) -> float:
    """Return the Jaccard index: shared runs over all runs."""
    return len(first & second) / len(first | second)


def _asked(item: Item) -> str:
    said = " ".join(f"{message.role} {message.content}" for message in item.script)
    tools = canonical_json(list(item.tools)) if item.tools else ""
    return " ".join(f"{said} {tools}".casefold().split())


def _grouped(item: Item, other: Item) -> bool:
    return item.group is not None and item.group == other.group


def _near(items: Sequence[Item], texts: Mapping[int, str]) -> Iterator[Pair]:
    runs = {i: shingles(text) for i, text in texts.items() if len(text.split()) >= _FEWEST_WORDS}
    holders: dict[str, list[int]] = defaultdict(list)
    for index, item_runs in runs.items():
        shared = Counter(
            other for run in item_runs if len(holders[run]) <= _COMMON for other in holders[run]
        )
        for other, _ in shared.most_common(_CANDIDATES):
            alike = likeness(item_runs, runs[other])
            if alike >= _NEARLY and not _grouped(items[index], items[other]):
                yield Pair(
                    item_id=items[index].id,
                    earlier_id=items[other].id,
                    likeness=min(alike, _ALMOST_ONE),
                )
                break
        for run in item_runs:
            holders[run].append(index)
