"""A corpus rendered and tokenized for one checkpoint, up to the number of tokens a recipe wants."""

import json
from dataclasses import dataclass
from pathlib import Path

from quantgate.calibration.drawing.rendering import rendered_ids, rendering_digest
from quantgate.calibration.shelf.sealing import read_sequences
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.engines.backend import CalibrationTokens
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.files.sealed import produce_once

TOKENS = "tokens.jsonl"
_LONGEST_SEQUENCE_TOKENS = 2048
_FEWEST_TOKENS = 2
"""A single token has nothing to predict and no context to calibrate on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensRecord:
    """What stands in the manifest of sealed calibration tokens."""

    corpus_label: str
    sequence_count: int
    token_count: int
    max_length_tokens: int
    too_short: int
    truncated: int


def calibration_tokens(
    corpus: Corpus,
    chat: ChatFormat,
    *,
    context_length_tokens: int,
    target_tokens: int,
    folder: Path,
) -> CalibrationTokens:
    """Render sequences in corpus order until `wanted_tokens` are reached, sealed under `folder`.

    Sequences longer than the context (or 2048 tokens) are cut; such with fewer than two tokens are
    left out. Both are counted.

    Raises:
        InputError: where no sequence is left.
    """
    longest = min(context_length_tokens, _LONGEST_SEQUENCE_TOKENS)
    rendering = rendering_digest(chat.variables)
    digest = digest_of([corpus.digest, target_tokens, rendering])
    destination = folder / f"calibration-{digest[:16]}"

    def produce(staging: Path) -> TokensRecord:
        lines: list[str] = []
        total = too_short = truncated = 0
        for sequence in read_sequences(corpus):
            if total >= target_tokens:
                break
            ids = rendered_ids(sequence, chat)
            if len(ids) < _FEWEST_TOKENS:
                too_short += 1
                continue
            truncated += len(ids) > longest
            kept = ids[:longest]
            total += len(kept)
            lines.append(json.dumps({"id": sequence.id, "token_ids": list(kept)}))
        if not lines:
            raise InputError(
                "no sequence has two tokens or more",
                where=f"corpus {corpus.label}",
                next_step="name a corpus with longer sequences",
            )
        write_text(staging / TOKENS, "\n".join(lines) + "\n")
        return TokensRecord(
            corpus_label=corpus.label,
            sequence_count=len(lines),
            token_count=total,
            max_length_tokens=longest,
            too_short=too_short,
            truncated=truncated,
        )

    record = produce_once(destination, TokensRecord, produce).record
    return CalibrationTokens(
        file=destination / TOKENS,
        corpus_label=corpus.label,
        corpus_digest=digest,
        sequence_count=record.sequence_count,
        token_count=record.token_count,
        max_length_tokens=record.max_length_tokens,
    )
