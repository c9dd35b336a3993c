"""What commands print as JSON, as types: the schemas that programs check it against are made of these."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantgate.flows.build.recommending.choosing import Recommendation
from quantgate.flows.build.states.builds import StoreState
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.verdicts.verdict import Verdict
from quantgate.pipelines.report.between.builds import BuildsCompared
from quantgate.pipelines.report.page.store_page import BuildSummary
from quantgate.pipelines.report.stored.result_file import StoredResult
from quantgate.registry import (
    Lineage,
    ModelHistory,
    Pulled,
    RegisteredVersion,
    VersionComparison,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionsOutput:
    """Every version that fits, the best first."""

    versions: tuple[RegisteredVersion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildsOutput:
    """The builds of a store, the latest first."""

    builds: tuple[BuildSummary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipesOutput:
    """The catalogue; each recipe also says `backend`, and whether that is `installed`."""

    recipes: tuple[Recipe, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedOutput:
    """A version whose files are those that were registered; `every_byte` of them was compared, or not."""

    uri: str
    folder: Path
    every_byte: bool


OUTPUTS: Mapping[str, Any] = {
    "quantgate.result/1": StoredResult,
    "quantgate.lookup/1": RegisteredVersion | VersionsOutput,
    "quantgate.lineage/1": Lineage,
    "quantgate.history/1": ModelHistory,
    "quantgate.compare/1": VersionComparison | BuildsCompared,
    "quantgate.verify/1": VerifiedOutput,
    "quantgate.pull/1": Pulled,
    "quantgate.report/1": BuildsOutput,
    "quantgate.status/1": StoreState,
    "quantgate.recipes/1": RecipesOutput,
    "quantgate.recommendation/1": Recommendation,
    "quantgate.verdict/1": Verdict,
}
"""By the name that stands under `schema` in what is printed."""
