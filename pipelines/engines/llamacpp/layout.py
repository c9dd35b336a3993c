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
# With 3.4 million weights an engine for each of two threads takes a quarter less wall time and a seventh less
# processor time than one for both (measured), and as much memory again.
_SMALL_WEIGHTS = 50_000_000
# There, two engines of 16 slots take a tenth less time than two of 32, whose last rounds are emptier, and a
# twentieth less than two of 8 (measured).
_SMALL_SLOTS = 16
# Up to here two engines with half of the threads each, for two groups at once, take 14 to 28 % less processor
# time than all threads for one group after the other (measured with 96 and 135 million weights, two threads).
_MIDDLE_WEIGHTS, _MIDDLE_ENGINES = 150_000_000, 2
# Of two groups at once the longer one ends on half of the threads: where the other is much shorter, that
# costs more time than waiting threads do. Eight long prompts beside 56 short ones are within this: at once
# they took a tenth less time in Q4_K_M and as much in F16, held against a server (135 million weights).
_AS_LONG = 0.4
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
    def same_with_any_threads(self) -> bool:
        """Whether what is computed hangs on the number of threads in no digit.

        Flash attention cuts what a slot holds into a part for each thread where a batch is one token and
        there are 512 and more (`ggml_compute_forward_flash_attn_ext_f16` in ggml-cpu/ops.cpp).
        """
        return not self.flash_attention or self.slot_tokens <= _SLOT_STEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Groups, as indexes, of which `at_once` are answered at any time, by engines that share all threads.

    So what an engine computes with how many threads hangs on no other engine's pace.
    """

    groups: tuple[int, ...]
    at_once: int


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
    held_tokens = -(-slot_tokens // _SLOT_STEP) * _SLOT_STEP
    return Layout(
        slots=max(1, min(slots, len(answerable), affordable)),
        shared=shared,
        slot_tokens=slot_tokens,
        batch_tokens=_BATCH_TOKENS,
        flash_attention=slot_tokens > _SCORED_TOKENS
        or _WELL_FILLED * filled < held_tokens * len(needs),
    )


def side_by_side(prompts: int, slots: int, threads: int, weights: int) -> tuple[int, int]:
    """Return how many engines side by side answer best, and with how many of the slots each.

    In a small model threads wait for each other longer than they compute: it gets an engine for each
    thread, as long as there are prompts enough to fill their slots.
    """
    if weights > _SMALL_WEIGHTS:
        return 1, slots
    fewer = min(slots, _SMALL_SLOTS)
    return max(1, min(threads, prompts // fewer)), fewer


def at_once(engines: int, threads: int, weights: int) -> int:
    """Return how many groups are answered at once that were cut for so many engines.

    What is cut for one may be answered by two: each has whole groups, whose batches stay what they are.
    """
    middle = _SMALL_WEIGHTS < weights <= _MIDDLE_WEIGHTS
    return min(threads, _MIDDLE_ENGINES) if middle else engines


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """How prompts are shared out: groups are cut for so many `engines` of so many `slots`."""

    engines: int
    slots: int
    at_once: int


def sharing(
    prompts: int, slots: int, threads: int, weights: int, *, on_gpus: bool = False
) -> Sharing:
    """Return how prompts are shared out; on a GPU to one engine, as no threads wait for each other there."""
    if on_gpus:
        return Sharing(engines=1, slots=slots, at_once=1)
    engines, each = side_by_side(prompts, slots, threads, weights)
    return Sharing(engines=engines, slots=each, at_once=at_once(engines, threads, weights))


def stages(layouts: Sequence[Layout], costs: Sequence[int], engines: int, most: int) -> list[Stage]:
    """Return in which stages groups that were cut for `engines` are answered.

    `most` are answered at once, and fewer where fewer are left. `costs` are those of `cost_of`. Where `most`
    is more than `engines`, two kinds of groups are answered alone, with all threads: those whose digits hang
    on the number of threads, and those that are much longer or shorter than every other.
    """
    if most <= engines:
        rest = len(layouts) % most
        whole = len(layouts) - rest
        cut = [(range(whole), most), (range(whole, len(layouts)), rest)]
        return [Stage(groups=tuple(part), at_once=count) for part, count in cut if part]
    fit = [at for at, laid in enumerate(layouts) if laid.same_with_any_threads]
    beside: list[int] = []
    by_cost = sorted(fit, key=lambda at: costs[at], reverse=True)
    while len(by_cost) >= most:
        longest, shortest = by_cost[0], by_cost[most - 1]
        alike = costs[shortest] >= _AS_LONG * costs[longest]
        beside += by_cost[:most] if alike else []
        by_cost = by_cost[most if alike else 1 :]
    apart = [at for at in range(len(layouts)) if at not in beside]
    parts = [(apart, 1), (beside, most)]
    return [Stage(groups=tuple(part), at_once=count) for part, count in parts if part]


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
