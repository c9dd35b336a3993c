"""What became of an architecture: recipe by recipe, and whether llama.cpp computes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tests.support.architectures.names import Architecture

RECIPES = ("Q8_0", "Q4_K_M", "FP8_DYNAMIC", "W4A16--gptq")
BASE = "base"
PARTS = (*RECIPES, BASE)
"""What is tried of an architecture, each on its own."""
Answer = Literal["equal", "differs", "unmeasured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One recipe. `refused_by` says who did not build it, "" where it was built; `reason` why, in a clause.

    Built means: written, every promised weight low-bit and of the type that was forecast, numbers finite,
    texts cut as the checkpoint's tokenizer cuts them, and loaded by its runtime.
    """

    recipe: str
    refused_by: str = ""
    reason: str = ""

    @property
    def built(self) -> bool:
        """Whether it was."""
        return not self.refused_by


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseAnswer:
    """The F16 file in llama.cpp held against the checkpoint in transformers.

    `mean_kl` is in nats a token, None where nothing was measured; `reason` says why that is, or what differs.
    """

    answer: Answer
    mean_kl: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All of one architecture; `parameter_count` is 0 where no checkpoint was written."""

    architecture: Architecture
    parameter_count: int
    attempts: tuple[Attempt, ...]
    base: BaseAnswer

    def attempt(self, recipe: str) -> Attempt:
        """Return what became of a recipe."""
        return next(attempt for attempt in self.attempts if attempt.recipe == recipe)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One part of an outcome: `attempt` of a recipe, or `base` of what llama.cpp computes."""

    parameter_count: int
    attempt: Attempt | None = None
    base: BaseAnswer | None = None


def put_together(architecture: Architecture, tried: Mapping[str, Tried]) -> Outcome:
    """Return the outcome of an architecture from all of its parts."""
    base = tried[BASE].base
    assert base is not None
    return Outcome(
        architecture=architecture,
        parameter_count=tried[BASE].parameter_count,
        attempts=tuple(attempt for name in RECIPES if (attempt := tried[name].attempt)),
        base=base,
    )
