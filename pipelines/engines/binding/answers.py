"""One answer's place in the grammar that binds it, and what begins one for every answer."""

from collections import OrderedDict

import numpy
from llguidance import LLMatcher
from numpy.typing import NDArray

from quantgate.pipelines.domain.errors import InputError, WorkerError
from quantgate.pipelines.engines.binding.grammar import SIMPLER_SCHEMA, grammar_of
from quantgate.pipelines.engines.binding.vocabularies import TokenBytes

# Grammars that are kept; a suite has as many schemas as it likes.
_MOST_KEPT = 64


class Binder:
    """Begins bound answers in one vocabulary; a schema's grammar is made once and copied for every answer."""

    def __init__(self, vocabulary: TokenBytes, stop_token_ids: frozenset[int]) -> None:
        """Remember the vocabulary, and which tokens end an answer."""
        self._vocabulary, self._stops = vocabulary, stop_token_ids
        self._kept: OrderedDict[str, LLMatcher] = OrderedDict()

    def begin(self, schema: str) -> "BoundAnswer":
        """Return the beginning of an answer that a JSON schema, given as text, binds.

        Raises:
            InputError: where no grammar can be made of the schema.
        """
        if schema not in self._kept:
            self._kept[schema] = LLMatcher(self._vocabulary, grammar_of(schema), log_level=0)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(schema)
        return BoundAnswer(self._kept[schema].deep_copy(), self._vocabulary, self._stops)


class BoundAnswer:
    """What a bound answer may go on with."""

    def __init__(self, matcher: LLMatcher, vocabulary: TokenBytes, stops: frozenset[int]) -> None:
        """Take over a matcher that has read nothing yet. `stops` end an answer."""
        self._matcher, self._stops = matcher, stops
        self._size, self._ends = vocabulary.vocab_size, frozenset(vocabulary.eos_tokens)

    def allows(self, token: int) -> bool:
        """Say whether the answer may go on with a token, or end where it is a stop token."""
        if token in self._stops:
            return self._matcher.is_accepting()
        if token in self._ends or token >= self._size:
            return False
        return self._matcher.validate_tokens([token]) == 1

    def allowed(self, count: int) -> NDArray[numpy.bool_]:
        """Say of that many tokens whether the answer may go on with each, or end where it is a stop token.

        Raises:
            InputError: where the schema is too much for its grammar after what was said so far.
        """
        bits = numpy.frombuffer(self._matcher.compute_bitmask(), dtype=numpy.uint8)
        allowed = numpy.unpackbits(bits, count=count, bitorder="little").astype(numpy.bool_)
        if self._matcher.is_error():
            reason = self._matcher.get_error().partition("\n")[0]
            raise InputError(
                f"a JSON schema is too much for its grammar: {reason}",
                next_step=SIMPLER_SCHEMA,
            )
        allowed[[token for token in self._ends if token < count]] = False
        allowed[[token for token in self._stops if token < count]] = self._matcher.is_accepting()
        return allowed

    def accept(self, token: int) -> None:
        """Go on by a token that is allowed and is no stop token."""
        if not self._matcher.consume_token(token):
            raise WorkerError(f"token {token} is not allowed where it was said")
