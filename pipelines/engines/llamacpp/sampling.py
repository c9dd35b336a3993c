"""Choosing the next token: greedy, or at a temperature with one random stream per item; bound or not."""

import hashlib
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Protocol

import numpy
from numpy.typing import NDArray

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.llamacpp.slots import COMPLETE, Answering, Choose, Logits
from quantgate.pipelines.engines.requests import Prompt


class Grammar(Protocol):
    """One answer's place in its grammar."""

    def allows(self, token: int) -> bool:
        """Say whether the answer may go on with a token, or end where it is a stop token."""
        ...

    def allowed(self, count: int) -> NDArray[numpy.bool_]:
        """Say of that many tokens whether the answer may go on with each, or end where it is a stop token."""
        ...

    def accept(self, token: int) -> None:
        """Go on by a token that is allowed and is no stop token."""
        ...


Tokens = NDArray[numpy.intp]
BeginGrammar = Callable[[str], Grammar]
"""Returns the beginning of the grammar of a JSON schema (as JSON text)."""


def chooser(
    settings: DecodeSettings,
    begin: BeginGrammar | None = None,
    stop_token_ids: frozenset[int] = frozenset(),
) -> Choose:
    """Return how tokens are chosen; a prompt's own temperature and schema come before `settings`."""
    return _TokenChooser(settings, begin, stop_token_ids)


def two_likeliest(logits: Logits) -> tuple[Tokens, Tokens]:
    """Return each row's likeliest token, of equals the one with the lower id, and its runner-up.

    Rows are written to and then as they were: a copy of all logits costs more than looking at them twice.
    """
    rows = numpy.arange(len(logits))
    first = logits.argmax(axis=1)
    highest = logits[rows, first]
    logits[rows, first] = -numpy.inf
    second = logits.argmax(axis=1)
    logits[rows, first] = highest
    return first, second


def _note_margins(
    logits: Logits,
    first: Tokens,
    second: Tokens,
    asking: Sequence[Answering],
    temperatures: Sequence[float],
) -> None:
    """Let answers that take the likeliest token remember their closest decision; see `Answer.margin`."""
    rows = numpy.arange(len(logits))
    gaps = (logits[rows, first] - logits[rows, second]).tolist()
    for gap, temperature, sequence in zip(gaps, temperatures, asking, strict=True):
        if temperature <= 0 and sequence.prompt.schema is None and isfinite(gap):
            sequence.margin = gap if sequence.margin is None else min(gap, sequence.margin)


class _TokenChooser:
    """Takes the likeliest token (of two equal ones the lower id), or draws from the softmax.

    An item's draws depend on its id and the seed, not on who shares its batch. Where a grammar binds an
    answer, the token it would get without is tried first, which nearly always is allowed; only else the
    whole vocabulary is held against the grammar. A draw repeated among the allowed tokens after a refused
    one has their distribution: p + (1 - A) p / A = p / A, with A the share of all that is allowed.
    """

    def __init__(
        self, settings: DecodeSettings, begin: BeginGrammar | None, stop_token_ids: frozenset[int]
    ) -> None:
        self._settings, self._begin, self._stops = settings, begin, stop_token_ids
        self._streams: dict[str, numpy.random.Generator] = {}
        self._grammars: dict[str, tuple[Answering, Grammar]] = {}

    def __call__(self, logits: Logits, asking: Sequence[Answering]) -> Sequence[int]:
        temperatures = [self._temperature(sequence.prompt) for sequence in asking]
        chosen: list[int]
        if all(temperature > 0 for temperature in temperatures):
            chosen = [0] * len(asking)
        else:
            first, second = two_likeliest(logits)
            _note_margins(logits, first, second, asking, temperatures)
            chosen = first.tolist()
        for at, sequence in enumerate(asking):
            if temperatures[at] > 0:
                if not sequence.generated:
                    self._begin_stream(sequence.prompt.item_id)
                chosen[at] = self._draw(logits[at], sequence, temperatures[at])
            if sequence.prompt.schema is not None:
                chosen[at] = self._bound(chosen[at], logits[at], sequence, temperatures[at])
        return chosen

    def _temperature(self, prompt: Prompt) -> float:
        return self._settings.temperature if prompt.temperature is None else prompt.temperature

    def _bound(self, token: int, row: Logits, sequence: Answering, temperature: float) -> int:
        if not numpy.isfinite(row[token]):
            return token  # the row is broken, which ends the answer as an error
        grammar = self._grammar(sequence)
        if not grammar.allows(token):
            allowed = numpy.where(grammar.allowed(len(row)), row, numpy.float32(-numpy.inf))
            if not numpy.isfinite(allowed).any():
                return COMPLETE
            greedy = temperature <= 0
            token = int(allowed.argmax()) if greedy else self._draw(allowed, sequence, temperature)
        if token not in self._stops:
            grammar.accept(token)
        return token

    def _grammar(self, sequence: Answering) -> Grammar:
        if not sequence.generated:
            self._forget_ended()
            if self._begin is None:
                raise WorkerError("a schema is to bind an answer, and nothing makes its grammar")
            begun = self._begin(sequence.prompt.schema or "")
            self._grammars[sequence.prompt.item_id] = (sequence, begun)
        return self._grammars[sequence.prompt.item_id][1]

    def _forget_ended(self) -> None:
        ended = [name for name, (begun, _) in self._grammars.items() if begun.finish is not None]
        for name in ended:
            del self._grammars[name]

    def _draw(self, row: Logits, sequence: Answering, temperature: float) -> int:
        scaled = row.astype(numpy.float64) / temperature
        weights = numpy.exp(scaled - scaled.max())
        cumulative = numpy.cumsum(weights)
        point = self._streams[sequence.prompt.item_id].random() * cumulative[-1]
        return min(int(numpy.searchsorted(cumulative, point, side="right")), len(row) - 1)

    def _begin_stream(self, item_id: str) -> None:
        name = f"{self._settings.seed}:{item_id}".encode()
        seed = int.from_bytes(hashlib.sha256(name).digest()[:8], "big")
        self._streams[item_id] = numpy.random.default_rng(seed)
