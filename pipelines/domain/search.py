"""A search: what may be tried and in which order, fixed before any answer is looked at."""

from dataclasses import dataclass
from typing import Literal

SearchGoal = Literal["size", "memory", "speed"]
"""What is to be as small as possible, the files or what serving them takes; or as fast as possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchCandidate:
    """A variant that a search may try, by its identifier, with what is foretold of it.

    `memory_bytes` is what answering takes in its runtime: weights, keys and values, and the program.
    """

    identifier: str
    size_bytes: int
    memory_bytes: int

    def cost_bytes(self, goal: SearchGoal) -> int:
        """Return what a search for this goal wants less of; a budget of one for speed is of memory."""
        return self.size_bytes if goal == "size" else self.memory_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """All that a search may try, as sequences: each starts with a recipe, behind which come smaller mixes.

    Sequences stand in the order of what their recipes cost, the most first. Within one, the next candidate is
    tried only where all before it passed. A search for speed has no mixes, and is led by measured speeds.
    `beyond_budget` holds recipes that cost more than `budget_bytes`,
    none of which is ever tried.
    """

    goal: SearchGoal
    sequences: tuple[tuple[SearchCandidate, ...], ...]
    budget_bytes: int | None = None
    beyond_budget: tuple[SearchCandidate, ...] = ()

    @property
    def candidates(self) -> tuple[SearchCandidate, ...]:
        """All that may be tried, by sequence."""
        return tuple(candidate for sequence in self.sequences for candidate in sequence)
