"""How much of a variant's work is still to come at each of its steps: the longest is begun first."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from quantgate.flows.build.plan_files import plan_files
from quantgate.flows.build.scaling.costs import RecipeCost, timed_recipes, times_of
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.variants.variant import PlannedVariant

Step = Literal["build", "audit", "answer"]

EVERYTHING_WAITS = float("inf")
"""The rank of the base's units: all variants wait for them."""
REPEATS_COME_FIRST = sys.float_info.max
"""The rank of the base's further runs: before any variant, after the run that may show that none can pass."""

_GGUF = RecipeCost(recipe="gguf", build=2.0, audit=4.0, answer=20.0)
_FOLDER = RecipeCost(recipe="folder", build=45.0, audit=45.0, answer=60.0)
"""What recipes took that no build of the store has timed: rounded medians of the bundled example on two cores
(docs/scale.md). Only which is longer matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chains:
    """What recipes took in earlier builds of a store."""

    timed: Mapping[str, RecipeCost]

    @classmethod
    def of(cls, store: Store) -> "Chains":
        """Read what every build of a store wrote down of its units."""
        units = [unit for plan in plan_files(store) for unit in times_of(store, plan.parent.name)]
        return cls(timed={cost.recipe: cost for cost in timed_recipes(units)})

    def seconds_left(self, planned: PlannedVariant, step: Step) -> float:
        """Return about how long a variant still takes from the beginning of a step."""
        cost = self.timed.get(planned.identifier.partition("--")[2])
        if cost is None:
            cost = _GGUF if planned.recipe.format is Format.GGUF else _FOLDER
        steps = {"build": cost.build, "audit": cost.audit, "answer": cost.answer}
        names = list(steps)
        return sum(steps[name] for name in names[names.index(step) :])
