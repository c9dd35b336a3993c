"""What is asked of, and replied by, workers that hold next-token distributions against a base's."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.recipe import KvCacheType
from quantgate.pipelines.domain.verdicts.audit import Divergence


@dataclass(frozen=True, slots=True, kw_only=True)
class DivergenceCall:
    """Hold `others` against `base`, each a GGUF or each a checkpoint folder.

    `sequences` is JSONL of `{"id": str, "token_ids": [int, ...]}`; every position but a sequence's last
    counts, and sequences are taken in order until `max_tokens` positions are compared (the last one is
    cut). `kv_cache` is how the others hold keys and values; the base holds them in full precision.
    `base_logits` is a folder where the base's logits are, or will be, for the calls that come after; it has
    to be named by all that they depend on. With None they are not kept.
    """

    base: Path
    others: tuple[Path, ...]
    sequences: Path
    max_tokens: int
    threads: int
    base_logits: Path | None = None
    kv_cache: KvCacheType = "f16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergences:
    """One divergence for each of the others, in their order."""

    values: tuple[Divergence, ...]
