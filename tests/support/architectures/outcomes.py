"""What became of an architecture: recipe by recipe, and whether llama.cpp computes it."""

from dataclasses import dataclass
from typing import Literal

from tests.support.architectures.names import Architecture

RECIPES = ("Q8_0", "Q4_K_M", "FP8_DYNAMIC", "W4A16--gptq")
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
