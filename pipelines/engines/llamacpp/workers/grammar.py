"""Grammars of llama.cpp, one place in one for each answer that a JSON schema binds."""

import ctypes
from collections import OrderedDict

import llama_cpp
import numpy

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.engines.llamacpp.grammar.schema import grammar_of
from quantgate.pipelines.engines.llamacpp.slots import Logits
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog

# Parsed grammars that are kept; a suite has as many schemas as it likes.
_MOST_KEPT = 64

_CANDIDATE = numpy.dtype(
    [("id", numpy.int32), ("logit", numpy.float32), ("p", numpy.float32)], align=True
)
"""`llama_token_data` in include/llama.h."""


class SchemaGrammars:
    """Begins grammars for one model; a schema is parsed once and copied for every answer."""

    def __init__(
        self, model: ctypes.c_void_p, stop_token_ids: frozenset[int], log: LlamaLog
    ) -> None:
        """Look into a loaded model, which has to outlive this object."""
        self._vocabulary = llama_cpp.llama_model_get_vocab(model)
        self._size = int(llama_cpp.llama_vocab_n_tokens(self._vocabulary))
        self._log = log
        self._ends = tuple(
            token
            for token in range(self._size)
            if llama_cpp.llama_vocab_is_eog(self._vocabulary, token)
        )
        self._stops = tuple(token for token in stop_token_ids if token < self._size)
        self._kept: OrderedDict[str, ctypes.c_void_p] = OrderedDict()

    def begin(self, schema: str) -> "SequenceGrammar":
        """Return the beginning of a schema's grammar.

        Raises:
            InputError: where no grammar can be made of the schema, or llama.cpp does not take it.
        """
        if schema not in self._kept:
            self._kept[schema] = self._parsed(schema)
            if len(self._kept) > _MOST_KEPT:
                llama_cpp.llama_sampler_free(self._kept.popitem(last=False)[1])
        self._kept.move_to_end(schema)
        sampler = llama_cpp.llama_sampler_clone(self._kept[schema])
        return SequenceGrammar(sampler, self._size, self._ends, self._stops)

    def _parsed(self, schema: str) -> ctypes.c_void_p:
        grammar = grammar_of(schema).text.encode()
        sampler: ctypes.c_void_p | None = llama_cpp.llama_sampler_init_grammar(
            self._vocabulary, grammar, b"root"
        )
        if not sampler:  # a broken grammar is a NULL pointer, and aborts when it is used
            raise InputError(
                f"llama.cpp refuses the grammar of a JSON schema: {self._log.reason}",
                next_step="ask the item without `constrained`, or simplify its schema",
            )
        return sampler


class SequenceGrammar:
    """One answer's place in its grammar; see `Grammar`."""

    def __init__(
        self,
        sampler: ctypes.c_void_p,
        size: int,
        ends: tuple[int, ...],
        stops: tuple[int, ...],
    ) -> None:
        """Take over a sampler. `ends` are the model's own end tokens, `stops` those that end an answer."""
        self._sampler, self._size = sampler, size
        self._ends, self._stops = ends, stops

    def allows(self, token: int) -> bool:
        """Say whether the answer may go on with a token, or end where it is a stop token."""
        if token in self._stops:
            return self._complete
        return token not in self._ends and bool(numpy.isfinite(self._applied([token]))[0])

    def masked(self, row: Logits) -> Logits:
        """Return a copy of a row with what is not allowed at minus infinity.

        The model's end tokens are allowed only as stop tokens: another one would be written down.
        """
        allowed = numpy.isfinite(self._applied(range(self._size)))
        allowed[list(self._ends)] = False
        allowed[list(self._stops)] = self._complete
        return numpy.where(allowed, row, numpy.float32(-numpy.inf))

    def accept(self, token: int) -> None:
        """Go on by a token that is allowed: any other one would abort the process."""
        llama_cpp.llama_sampler_accept(self._sampler, token)

    def close(self) -> None:
        """Give its memory back."""
        llama_cpp.llama_sampler_free(self._sampler)

    @property
    def _complete(self) -> bool:
        """Whether the answer may end here; a model without an end token can only be seen to be stuck."""
        if self._ends:
            return bool(numpy.isfinite(self._applied(self._ends[:1]))[0])
        return not numpy.isfinite(self._applied(range(self._size))).any()

    def _applied(self, tokens: range | list[int] | tuple[int, ...]) -> Logits:
        """Return 0 for each token that the grammar allows and minus infinity for each other one."""
        candidates = numpy.zeros(len(tokens), dtype=_CANDIDATE)
        candidates["id"] = tokens
        array = llama_cpp.llama_token_data_array(
            ctypes.cast(candidates.ctypes.data, llama_cpp.llama_token_data_p),
            len(tokens),
            -1,
            False,
        )
        llama_cpp.llama_sampler_apply(self._sampler, ctypes.byref(array))
        logits: Logits = candidates["logit"]
        return logits
