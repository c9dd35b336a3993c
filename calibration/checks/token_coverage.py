"""Which of a suite's tokens calibration sees, and which experts of a mixture of experts it reaches."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray

from quantgate.pipelines.engines.backend import CalibrationTokens
from quantgate.pipelines.formats.gguf.header import read_gguf_header

Decode = Callable[[Sequence[int]], str]

_RARE_TIMES = 3
_SHOWN = 6
_HEADER_BYTES = 1 << 16
_COUNTS, _MATRIX = ".counts", "imatrix.gguf"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCoverage:
    """Of a slice's distinct tokens, how many calibration never sees, and how many at most three times.

    `unseen_share` is of all the slice's tokens. `digits` and `digits_unseen` count distinct tokens made of
    digits alone. `examples` are unseen tokens as text, the most frequent first.
    """

    slice: str
    distinct: int
    unseen: int
    rare: int
    unseen_share: float
    digits: int
    digits_unseen: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertCoverage:
    """Of all experts (layers x experts), how many no token of the corpus was sent to, and the most starved.

    `least_share` is what the least used expert got, relative to an even spread.
    """

    experts: int
    unreached: int
    least_share: float
    most_starved: str


def tokens_seen(tokens: CalibrationTokens) -> Counter[int]:
    """Count the token ids that a recipe is supplied with."""
    counts: Counter[int] = Counter()
    with tokens.file.open(encoding="utf-8") as file:
        for line in file:
            counts.update(json.loads(line)["token_ids"])
    return counts


def token_coverage(
    slices: Mapping[str, Sequence[Sequence[int]]], seen: Mapping[int, int], decode: Decode
) -> tuple[TokenCoverage, ...]:
    """Return for each slice how much of its items' token ids calibration sees."""
    coverages = []
    for name, items in slices.items():
        counts = Counter(token for ids in items for token in ids)
        unseen = [token for token, _ in counts.most_common() if not seen.get(token)]
        digits = [token for token in counts if decode([token]).strip().isdigit()]
        coverages.append(TokenCoverage(
            slice=name,
            distinct=len(counts),
            unseen=len(unseen),
            rare=sum(0 < seen.get(token, 0) <= _RARE_TIMES for token in counts),
            unseen_share=sum(counts[token] for token in unseen) / max(1, counts.total()),
            digits=len(digits),
            digits_unseen=sum(not seen.get(token) for token in digits),
            examples=tuple(decode([token]) for token in unseen[:_SHOWN]),
        ))  # fmt: skip
    return tuple(coverages)


def expert_coverage(scratch: Path, tokens: CalibrationTokens) -> ExpertCoverage | None:
    """Return how a corpus's tokens spread over experts, from an importance matrix made of them.

    None where none was made yet, or the model is dense. `scratch` is the checkpoint's folder in the store.
    """
    matrix = _matrix_of(scratch, f"sha256:{tokens.corpus_digest}")
    if matrix is None:
        return None
    experts: dict[str, NDArray[numpy.float32]] = {}
    for tensor in read_gguf_header(matrix).tensors:
        count = tensor.shape[0]
        if tensor.name.endswith(_COUNTS) and count > 1:
            values = numpy.fromfile(matrix, numpy.float32, count=count, offset=tensor.start)
            experts[tensor.name.removesuffix(_COUNTS)] = values
    routed = {name: counts for name, counts in experts.items() if "_gate_exps" in name} or experts
    if not routed:
        return None
    shares = {
        name: counts * len(counts) / max(1.0, counts.sum()) for name, counts in routed.items()
    }
    starved = min(shares, key=lambda name: (float(shares[name].min()), name))
    return ExpertCoverage(
        experts=sum(map(len, routed.values())),
        unreached=int(sum((counts == 0).sum() for counts in routed.values())),
        least_share=float(shares[starved].min()),
        most_starved=f"{starved}, expert {int(shares[starved].argmin())}",
    )


def _matrix_of(scratch: Path, dataset: str) -> Path | None:
    """Find the matrix whose metadata names these tokens."""
    for matrix in sorted(scratch.glob(f"imatrix-*/{_MATRIX}")):
        with matrix.open("rb") as file:
            if dataset.encode() in file.read(_HEADER_BYTES):
                return matrix
    return None
