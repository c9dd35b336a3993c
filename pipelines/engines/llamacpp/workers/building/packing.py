"""Several sequences in one batch, each seeing only itself, as when served."""

import ctypes
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import llama_cpp

from quantgate.pipelines.domain.errors import InputError, WorkerError
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog

_BATCH_SEQUENCES = 64


@dataclass(slots=True)
class Packed:
    """Tokens of several sequences that fit one batch."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)


def read_sequences(tokens: Path, vocabulary: int, *, longest: int) -> Iterator[list[int]]:
    """Yield the token ids of a JSONL file's sequences, cut to `longest`; empty ones are left out.

    Raises:
        InputError: for ids that are not in the vocabulary.
    """
    with tokens.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            ids: list[int] = row["token_ids"][:longest]
            if ids and not 0 <= min(ids) <= max(ids) < vocabulary:
                raise InputError(
                    f"sequence {row['id']} has token ids outside the model's vocabulary of {vocabulary}",
                    where=str(tokens),
                    next_step="take tokenizer and weights of one revision",
                )
            if ids:
                yield ids


def pack(sequences: Iterator[list[int]], batch_tokens: int) -> Iterator[Packed]:
    """Put whole sequences together up to a batch; one longer than a batch stands alone."""
    packed, count = Packed(), 0
    for ids in sequences:
        if packed.tokens and (
            len(packed.tokens) + len(ids) > batch_tokens or count == _most_sequences(batch_tokens)
        ):
            yield packed
            packed, count = Packed(), 0
        packed.tokens += ids
        packed.positions += range(len(ids))
        packed.sequences += [count] * len(ids)
        count += 1
    if packed.tokens:
        yield packed


def packed_context(
    longest_tokens: int, batch_tokens: int, threads: int
) -> llama_cpp.llama_context_params:
    """Return parameters of a context that decodes packed sequences of at most `longest_tokens`."""
    parameters = llama_cpp.llama_context_default_params()
    longest = max(longest_tokens, batch_tokens)
    parameters.n_ctx = longest
    parameters.n_batch = parameters.n_ubatch = min(longest, batch_tokens)
    parameters.n_seq_max = _most_sequences(batch_tokens)
    parameters.kv_unified = True
    parameters.n_threads = parameters.n_threads_batch = threads
    parameters.op_offload = False
    return parameters


def decode(
    context: ctypes.c_void_p, packed: Packed, batch_tokens: int, log: LlamaLog
) -> Iterator[int]:
    """Decode from an empty cache; yield the number of tokens after each batch, its logits in place.

    Outputs are asked for every token: else the last layer skips the others.

    Raises:
        WorkerError: with llama.cpp's reason.
    """
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    batch = llama_cpp.llama_batch_init(batch_tokens, 0, 1)
    try:
        for start in range(0, len(packed.tokens), batch_tokens):
            part = slice(start, start + batch_tokens)
            _fill(batch, packed.tokens[part], packed.positions[part], packed.sequences[part])
            code = llama_cpp.llama_decode(context, batch)
            if code:
                raise WorkerError(f"llama_decode failed with {code}: {log.reason}")
            yield batch.n_tokens
    finally:
        llama_cpp.llama_batch_free(batch)


def _most_sequences(batch_tokens: int) -> int:
    """Return how many sequences share a batch; llama.cpp aborts where there is room for more than tokens."""
    return min(_BATCH_SEQUENCES, batch_tokens)


def _fill(
    batch: llama_cpp.llama_batch,
    tokens: Sequence[int],
    positions: Sequence[int],
    sequences: Sequence[int],
) -> None:
    batch.n_tokens = len(tokens)
    for index, (token, position, sequence) in enumerate(
        zip(tokens, positions, sequences, strict=True)
    ):
        batch.token[index] = token
        batch.pos[index] = position
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = sequence
        batch.logits[index] = 1
