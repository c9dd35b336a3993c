"""How long sequences get, which a server has to make room for, and what they begin with in common."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.engines.request_files import read_prompts
from quantgate.pipelines.engines.requests import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAtOnce:
    """What an engine holds at most: `sequences` with room for `tokens` in all, in so many `contexts`."""

    sequences: int
    tokens: int
    contexts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSet:
    """Prompts that are asked in one go, and the tokens of an answer where a prompt does not say."""

    prompts: Sequence[Prompt]
    max_tokens: int

    def held(self, slots: int) -> HeldAtOnce:
        """Return what as many sequences hold as there are slots for, each of the longest one's length."""
        sequences = min(slots, len(self.prompts))
        return HeldAtOnce(
            sequences=sequences, tokens=sequences * longest(self.prompts, self.max_tokens)
        )


def longest_sequence(prompts: Path, max_tokens: int) -> int:
    """Return the tokens of the longest prompt in a JSONL file with its answer."""
    return longest(read_prompts(prompts), max_tokens)


def longest(prompts: Iterable[Prompt], max_tokens: int) -> int:
    """Return the tokens of the longest prompt with its answer, by default `max_tokens` long."""
    return max(
        (len(prompt.token_ids) + (prompt.max_tokens or max_tokens) for prompt in prompts), default=1
    )


def common_prefix(prompts: Sequence[Prompt], *, worth_tokens: int) -> tuple[int, ...]:
    """Return the first tokens that all prompts share and leave each at least one; () below `worth_tokens`."""
    if len(prompts) < 2:
        return ()
    first = min(prompt.token_ids for prompt in prompts)
    last = max(prompt.token_ids for prompt in prompts)
    limit = min(len(prompt.token_ids) for prompt in prompts) - 1
    length = 0
    while length < limit and first[length] == last[length]:
        length += 1
    return first[:length] if length >= worth_tokens else ()
