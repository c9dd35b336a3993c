"""What the llama.cpp runtime asks its workers and what they reply."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.recipe import KvCacheType
from quantgate.pipelines.domain.run import Schedule
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.runtime import ProbeReport


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCall:
    """Answer JSONL `prompts` in file order, appending to JSONL `answers` what it does not hold yet."""

    model: Path
    prompts: Path
    answers: Path
    decode: DecodeSettings
    stop_token_ids: tuple[int, ...]
    schedule: Schedule
    kv_cache: KvCacheType


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTally:
    """How many answers were added, and how many tokens were generated (replayed groups included)."""

    answered: int
    generated_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeCall:
    """Load `model`, tokenize JSONL `texts` and compare, decode the longest."""

    model: Path
    texts: Path
    threads: int
    kv_cache: KvCacheType


def does_not_load(detail: str) -> ProbeReport:
    """Return the report of a file that does not load; `detail` is shortened to its first line."""
    return ProbeReport(
        loads=False,
        finite_logits=False,
        compared_texts=0,
        mismatched_texts=(),
        beginning_of_sequence_id=-1,
        end_of_sequence_id=-1,
        vocabulary_size=0,
        chat_template="",
        detail=detail.splitlines()[0],
    )
