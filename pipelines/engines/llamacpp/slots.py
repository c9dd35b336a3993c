"""Continuous batching as plain bookkeeping: which token of which prompt goes into which batch.

Many sequences decode in one context. As soon as one ends, the next prompt takes its slot. What the
batches look like depends on the prompts, their order and the schedule alone, never on time, so the same
run repeats exactly.

llama.cpp computes in one go only what has as many tokens in each of consecutive slots; any other batch it
cuts into such pieces, and each piece reads all weights again. So a batch here is either one slot's prompt
or the newest token of every slot, and towards a group's end slots move up into emptied ones.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy
from numpy.typing import NDArray

from quantgate.pipelines.engines.llamacpp.layout import Layout
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.engines.stop_texts import Finish, TextOf, reaches_stop

Logits = NDArray[numpy.float32]
Choose = Callable[[Logits, "Sequence[Answering]"], Sequence[int]]
"""Returns a token for each row, or `COMPLETE`."""

COMPLETE = -1
"""Chosen instead of a token where an answer is whole and may not go on."""


@dataclass(slots=True, kw_only=True)
class Batch:
    """One decode call: parallel columns; `outputs` says after which tokens logits are wanted."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    outputs: list[bool] = field(default_factory=list)

    def add(
        self, token_ids: Sequence[int], *, position: int, slot: int, last_is_output: bool
    ) -> None:
        """Append consecutive tokens of one slot."""
        count = len(token_ids)
        self.tokens += token_ids
        self.positions += range(position, position + count)
        self.slots += [slot] * count
        self.outputs += [False] * (count - 1) + [last_is_output]


class Engine(Protocol):
    """What decodes batches and keeps one cache per slot."""

    def decode(self, batch: Batch) -> Logits:
        """Return logits, one row per wanted output, in batch order."""
        ...

    def copy(self, source: int, target: int) -> None:
        """Let an empty slot begin with everything another slot holds."""
        ...

    def release(self, slot: int) -> None:
        """Empty a slot."""
        ...


@dataclass(slots=True, kw_only=True)
class Answering:
    """A prompt in a slot: what of it was decoded, what was generated, and by what margin; see `Answer`."""

    prompt: Prompt
    slot: int
    room: int
    decoded: int
    generated: list[int] = field(default_factory=list)
    finish: Finish | None = None
    margin: float | None = None

    @property
    def pending(self) -> tuple[int, ...]:
        """Tokens not decoded yet: the rest of the prompt, or the newest generated one."""
        if self.decoded < len(self.prompt.token_ids):
            return self.prompt.token_ids[self.decoded :]
        return (self.generated[-1],)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingRules:
    """When an answer ends, and how the next token is chosen from logits.

    Stop texts are looked for where there is a `text_of`; the answer then still holds the one found.
    """

    stop_token_ids: frozenset[int]
    room: Callable[[Prompt], int]
    choose: Choose
    text_of: TextOf | None = None


def run_group(
    prompts: Sequence[Prompt],
    engine: Engine,
    layout: Layout,
    rules: DecodingRules,
    on_ended: Callable[[Sequence[Answering]], None],
) -> None:
    """Answer one group of prompts, in slots that are refilled in the prompts' order.

    The engine has to be a fresh one. A prompt without room in the context ends as `error` at once.
    """
    waiting = deque(prompts)
    active: dict[int, Answering] = {}
    _decode_shared(engine, layout)
    while waiting or active:
        refused = _admit(waiting, active, engine, layout, rules)
        _move_up(active, engine)
        ended = [*refused, *_step(active, engine, layout, rules)]
        if ended:
            on_ended(ended)


def _decode_shared(engine: Engine, layout: Layout) -> None:
    for start in range(0, len(layout.shared), layout.batch_tokens):
        batch = Batch()
        part = layout.shared[start : start + layout.batch_tokens]
        batch.add(part, position=start, slot=layout.slots, last_is_output=False)
        engine.decode(batch)


def _admit(
    waiting: deque[Prompt],
    active: dict[int, Answering],
    engine: Engine,
    layout: Layout,
    rules: DecodingRules,
) -> list[Answering]:
    """Fill free slots with the next prompts; return those without room."""
    refused: list[Answering] = []
    while waiting and len(active) < layout.slots:
        slot = min(set(range(layout.slots)) - set(active))
        room = rules.room(waiting[0])
        sequence = Answering(prompt=waiting[0], slot=slot, room=room, decoded=len(layout.shared))
        if room <= 0:
            waiting.popleft()
            sequence.finish = "error"
            refused.append(sequence)
            continue
        waiting.popleft()
        if layout.shared:
            engine.copy(layout.slots, slot)
        active[slot] = sequence
    return refused


def _move_up(active: dict[int, Answering], engine: Engine) -> None:
    """Let the last slots' sequences move into empty ones, so that those in use are the first ones."""
    for slot in range(len(active)):
        if slot not in active:
            last = max(active)
            engine.copy(last, slot)
            engine.release(last)
            active[slot] = active.pop(last)
            active[slot].slot = slot


def _step(
    active: dict[int, Answering], engine: Engine, layout: Layout, rules: DecodingRules
) -> list[Answering]:
    """Decode one batch and return the sequences it ended."""
    if not active:
        return []
    batch, asking = _compose(active, layout)
    logits = engine.decode(batch)
    if asking:
        _advance(asking, logits, rules)
    ended = [sequence for sequence in asking if sequence.finish]
    for sequence in ended:
        engine.release(sequence.slot)
        del active[sequence.slot]
    return ended


def _compose(active: dict[int, Answering], layout: Layout) -> tuple[Batch, list[Answering]]:
    """Return the first slot's prompt that is not decoded yet, else every sequence's newest token."""
    batch, asking = Batch(), []
    in_order = [active[slot] for slot in sorted(active)]
    beginning = [sequence for sequence in in_order if not sequence.generated]
    for sequence in beginning[:1] or in_order[: layout.batch_tokens]:
        part = sequence.pending[: layout.batch_tokens]
        complete = len(part) == len(sequence.pending)
        batch.add(part, position=sequence.decoded, slot=sequence.slot, last_is_output=complete)
        sequence.decoded += len(part)
        if complete:
            asking.append(sequence)
    return batch, asking


def _advance(asking: Sequence[Answering], logits: Logits, rules: DecodingRules) -> None:
    for sequence, token, row in zip(asking, rules.choose(logits, asking), logits, strict=True):
        if token == COMPLETE:
            sequence.finish = "stop"
        elif not numpy.isfinite(row[token]):
            sequence.finish = "error"
        elif token in rules.stop_token_ids:
            sequence.finish = "stop"
        else:
            sequence.generated.append(token)
            if _stopped_by_text(sequence, rules):
                sequence.finish = "stop"
            elif len(sequence.generated) >= sequence.room:
                sequence.finish = "length"


def _stopped_by_text(sequence: Answering, rules: DecodingRules) -> bool:
    stops = sequence.prompt.stop
    if not stops or rules.text_of is None:
        return False
    return reaches_stop(sequence.generated, stops, rules.text_of)
