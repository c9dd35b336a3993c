"""How prompts are cut into groups and laid over contexts, by their lengths and the schedule alone.

An engine computes other last digits in other batch shapes. So each group has a fresh engine: a run that was
interrupted replays its unfinished groups from their start, and its answers are those of an uninterrupted run.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from quantgate.pipelines.engines.prompt_lengths import common_prefix
from quantgate.pipelines.engines.requests import Prompt

AnswerTokens = Callable[[Prompt], int]
"""Returns how many tokens an answer may have."""

# Sharing costs a copy per prompt and a decode per group.
_WORTH_SHARING_TOKENS = 16
# A group ends with emptying slots, a tenth of its time at four rounds; a kill costs at most a group.
_GROUP_ROUNDS = 4
# What llama.cpp rounds a sequence's share of a cache up to. Without flash attention every token is held
# against the most that any slot holds, so one prompt of 300 tokens makes an answer's token cost half as much
# again in the slots beside it that hold 60 (measured).
_SLOT_STEP = 256
# Fewer than a quarter of the slots filled waste more than they save; eight long prompts beside short ones
# cost more than slots left empty, however many there are.
_WORTH_ITS_OWN, _WORTH_ITS_OWN_PROMPTS = 4, 8
# 4 GiB of F16 keys and values for Llama 3 8B (128 KiB a token).
_CACHE_TOKENS = 32768
_BATCH_TOKENS = 512
# On a CPU flash attention walks over the tokens a slot holds; without it over all that a slot can hold, and
# prompts take a tenth more (measured). Which is cheaper hangs on the machine. With a cache of 480 MB a
# token of an answer cost two thirds without it at 300 tokens in slots of 512; with one of 32 MB it costs a
# sixth more there, and as much at three quarters of a slot of any size. Half full is between the two.
_WELL_FILLED = 2
# Scores of every token of a batch over a whole slot: 0.25 GiB for 32 heads.
_SCORED_TOKENS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a group's prompts are laid over a context.

    `shared` are the first tokens of every prompt, decoded once into the slot after the last one.
    Each slot holds `slot_tokens`; one decode takes at most `batch_tokens`. Without `flash_attention` every
    token is held against a whole slot, which is the cheaper way where most slots are well filled.
    """

    slots: int
    shared: tuple[int, ...]
    slot_tokens: int
    batch_tokens: int
    flash_attention: bool = True

    @property
    def sequences(self) -> int:
        """Slots, and one more where there is something to share."""
        return self.slots + bool(self.shared)

    @property
    def context_tokens(self) -> int:
        """For how many tokens a context of this layout has room, each slot rounded up as llama.cpp does."""
        return _rounded(self.slot_tokens) * self.sequences

    @property
    def same_with_any_threads(self) -> bool:
        """Whether what is computed hangs on the number of threads in no digit.

        Flash attention cuts what a slot holds into a part for each thread where a batch is one token and
        there are 512 and more (`ggml_compute_forward_flash_attn_ext_f16` in ggml-cpu/ops.cpp).
        """
        return not self.flash_attention or self.slot_tokens <= _SLOT_STEP


def lay_out(prompts: Sequence[Prompt], room: AnswerTokens, slots: int) -> Layout:
    """Return a group's layout: slots as long as its longest answer can need.

    The cache is bounded: long prompts get fewer slots instead of exhausting memory.
    """
    answerable = [prompt for prompt in prompts if room(prompt) > 0]
    shared = common_prefix(answerable, worth_tokens=_WORTH_SHARING_TOKENS)
    needs = [len(prompt.token_ids) + room(prompt) for prompt in answerable]
    slot_tokens = max(needs, default=1)
    affordable = _CACHE_TOKENS // slot_tokens - bool(shared)
    filled = sum(needs) - sum(map(room, answerable)) // 2
    held_tokens = _rounded(slot_tokens)
    return Layout(
        slots=max(1, min(slots, len(answerable), affordable)),
        shared=shared,
        slot_tokens=slot_tokens,
        batch_tokens=_BATCH_TOKENS,
        flash_attention=slot_tokens > _SCORED_TOKENS
        or _WELL_FILLED * filled < held_tokens * len(needs),
    )


def room_of(max_tokens: int, context_tokens: int | None = None) -> AnswerTokens:
    """Return tokens an answer may have: never more than the model's context has left after the prompt."""

    def room(prompt: Prompt) -> int:
        if not prompt.token_ids:
            return 0
        allowed = max_tokens if prompt.max_tokens is None else prompt.max_tokens
        if context_tokens is None:
            return allowed
        return min(allowed, context_tokens - len(prompt.token_ids))

    return room


def cost_of(prompts: Sequence[Prompt], room: AnswerTokens) -> int:
    """Return what a group costs at most: the tokens of its prompts and of their longest answers."""
    return sum(max(1, len(prompt.token_ids) + room(prompt)) for prompt in prompts)


def groups(
    prompts: Sequence[Prompt], room: AnswerTokens, slots: int, engines: int = 1
) -> list[Sequence[Prompt]]:
    """Cut prompts into groups of some rounds for `slots`, those of one engine, as many for each engine.

    Prompts of a group need slots of about the same size, and groups of one size cost about the same, by the
    tokens of their prompts and of their longest answers.
    """
    cut: list[Sequence[Prompt]] = []
    least = min(engines * slots // _WORTH_ITS_OWN, _WORTH_ITS_OWN_PROMPTS)
    for alike in _alike(prompts, room, least=least):
        rounds = -(-len(alike) // (slots * _GROUP_ROUNDS))
        count = -(-rounds // engines) * engines
        cut += _of_equal_cost(alike, room, count)
    return cut


def _alike(prompts: Sequence[Prompt], room: AnswerTokens, *, least: int) -> list[Sequence[Prompt]]:
    """Part prompts by the size of slot they need, within a factor of two, each part in their order.

    Sizes that fewer than `least` prompts need go with the next smaller ones, the smallest with the next
    larger.
    """
    sizes = [max(1, len(prompt.token_ids) + room(prompt)) for prompt in prompts]
    classes = [(-(-size // _SLOT_STEP) - 1).bit_length() for size in sizes]
    parts: list[set[int]] = [set()]
    for size_class in sorted(set(classes), reverse=True):
        if _count(classes, parts[-1]) >= least:
            parts.append(set())
        parts[-1].add(size_class)
    if len(parts) > 1 and _count(classes, parts[-1]) < least:
        smallest = parts.pop()
        parts[-1] |= smallest
    return [
        [prompt for prompt, size_class in zip(prompts, classes, strict=True) if size_class in part]
        for part in parts
    ]


def _count(classes: Sequence[int], part: set[int]) -> int:
    return sum(size_class in part for size_class in classes)


def _of_equal_cost(
    prompts: Sequence[Prompt], room: AnswerTokens, count: int
) -> list[Sequence[Prompt]]:
    reached = [0]
    for prompt in prompts:
        reached.append(reached[-1] + cost_of([prompt], room))
    cuts = [bisect_left(reached, part * reached[-1] / count) for part in range(1, count)]
    return [prompts[start:end] for start, end in pairwise([0, *cuts, len(prompts)]) if start < end]


def _rounded(tokens: int) -> int:
    return -(-tokens // _SLOT_STEP) * _SLOT_STEP
