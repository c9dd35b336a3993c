"""How prompts are shared out to engines: cut into groups, laid over contexts, and answered in stages."""

from collections.abc import Sequence
from dataclasses import dataclass

from quantgate.pipelines.engines.llamacpp.layout import (
    AnswerTokens,
    Layout,
    cost_of,
    groups,
    lay_out,
)
from quantgate.pipelines.engines.requests import Prompt

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Groups, as indexes, of which `at_once` are answered at any time, by engines that share all threads.

    So what an engine computes with how many threads hangs on no other engine's pace.
    """

    groups: tuple[int, ...]
    at_once: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedOut:
    """All prompts of a run in `groups`, each with its layout, and the stages in which they are answered."""

    groups: tuple[Sequence[Prompt], ...]
    layouts: tuple[Layout, ...]
    stages: tuple[Stage, ...]

    @property
    def most_held(self) -> tuple[Layout, ...]:
        """The layouts that are held at once where together they have room for the most tokens."""
        largest = (
            sorted(
                (self.layouts[index] for index in stage.groups),
                key=lambda laid: laid.context_tokens,
                reverse=True,
            )[: stage.at_once]
            for stage in self.stages
        )
        return tuple(
            max(largest, key=lambda held: sum(laid.context_tokens for laid in held), default=())
        )


def share_out(prompts: Sequence[Prompt], room: AnswerTokens, shares: Sharing) -> SharedOut:
    """Cut prompts into groups and lay each over a context, by lengths and the schedule alone."""
    cut = tuple(groups(prompts, room, shares.slots, shares.engines))
    layouts = tuple(lay_out(group, room, shares.slots) for group in cut)
    costs = [cost_of(group, room) for group in cut]
    in_stages = tuple(stages(layouts, costs, shares.engines, shares.at_once))
    return SharedOut(groups=cut, layouts=layouts, stages=in_stages)


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
