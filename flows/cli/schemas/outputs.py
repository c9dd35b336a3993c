"""What commands print as JSON, as types: the schemas that programs check it against are made of these."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from quantgate.calibration.checks.report import CorpusReport
from quantgate.calibration.drift.results import DriftRecord
from quantgate.calibration.shelf.card import DataCard
from quantgate.calibration.shelf.comparison import CorpusDifference
from quantgate.calibration.shelf.model_tokens import ModelTokens
from quantgate.calibration.shelf.sealing import CorpusRecord
from quantgate.flows.build.clearing.removing import Kept, Removable
from quantgate.flows.build.recommending.choosing import Recommendation
from quantgate.flows.build.scaling.costs import MeasuredCosts
from quantgate.flows.build.scaling.simulation import Fleet, Forecast
from quantgate.flows.build.states.builds import StoreState
from quantgate.flows.cli.store.sharing import SharedListing, SharedTransfer
from quantgate.flows.cli.views.corpus import TokenChange
from quantgate.flows.releases.claims import Claim
from quantgate.pipelines.authoring.check import SuiteReport
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.verdicts.verdict import Verdict
from quantgate.pipelines.report.between.builds import BuildsCompared
from quantgate.pipelines.report.page.store_page import BuildSummary
from quantgate.pipelines.report.stored.result_file import StoredResult
from quantgate.pipelines.report.tables.table import Cell
from quantgate.registry import (
    Lineage,
    ModelHistory,
    Pulled,
    RegisteredVersion,
    VersionComparison,
)
from quantgate.registry.proofs.checking import BundleProof

TableRow: TypeAlias = dict[str, Cell]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleVerifiedOutput:
    """A bundle, checked: what it proves, and who signed it."""

    file: Path
    proof: BundleProof
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOutput:
    """A version whose every byte is as registered, attested by a key that was named."""

    uri: str
    folder: Path
    every_byte: bool
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAgainOutput:
    """A version whose every byte is as registered, and what its transcripts prove, judged again."""

    uri: str
    every_byte: bool
    proof: BundleProof


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOutput:
    """A bundle that was written, and what it proves."""

    file: Path
    size_bytes: int
    proof: BundleProof


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedOutput:
    """Where the attestation of a version lies, and the fingerprint of the key that signed it."""

    uri: str
    folder: Path
    signer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedOutput:
    """What was published; `published` is its address, null where nothing was."""

    repository: str
    published: str | None
    size_bytes: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteCheckOutput(SuiteReport):
    """What `suite check` found; `ok` is false where there are problems."""

    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusCheckOutput(CorpusReport):
    """What `corpus check` found; `ok` is false where there are problems."""

    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCorpus(CorpusRecord):
    """A sealed version; `state` says whether it is sound."""

    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CorporaOutput:
    """Every sealed version of a store."""

    corpora: tuple[ListedCorpus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusOutput:
    """A corpus: its record, its card (null where it has none), and its tokens as models count them."""

    corpus: str
    folder: Path
    record: CorpusRecord
    card: DataCard | None
    tokens: tuple[ModelTokens, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusDiffOutput(CorpusDifference):
    """What changed from one corpus to another; `tokens` as each model counts them that counted both."""

    tokens: tuple[TokenChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusDriftOutput(DriftRecord):
    """Today's traffic against a corpus: the decision, how far apart they are, and each test's effect."""

    drift: bool
    distance: float
    effects: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleOutput:
    """How long a fleet of builds would take, from what the builds of a store cost."""

    fleet: Fleet
    costs: MeasuredCosts
    forecast: Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTablesOutput:
    """Every table of a build, its rows by the names of their columns."""

    build: str
    variants: tuple[TableRow, ...]
    slices: tuple[TableRow, ...]
    changed_answers: tuple[TableRow, ...]
    audits: tuple[TableRow, ...]
    base: tuple[TableRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasesOutput:
    """The releases that were noticed."""

    releases: tuple[Claim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingOutput:
    """What may go of a store, or went; `registry_unasked` says why the registry could not be asked."""

    store: Path
    removed: bool
    size_bytes: int
    registry_unasked: str | None
    removable: tuple[Removable, ...]
    kept: tuple[Kept, ...]


OUTPUTS: Mapping[str, Any] = {
    "quantgate.result/1": StoredResult,
    "quantgate.lookup/1": RegisteredVersion | VersionsOutput,
    "quantgate.lineage/1": Lineage,
    "quantgate.history/1": ModelHistory,
    "quantgate.compare/1": VersionComparison | BuildsCompared,
    "quantgate.verify/1": VerifiedOutput | BundleVerifiedOutput | SignedOutput | JudgedAgainOutput,
    "quantgate.pull/1": Pulled,
    "quantgate.report/1": BuildsOutput,
    "quantgate.status/1": StoreState,
    "quantgate.recipes/1": RecipesOutput,
    "quantgate.recommendation/1": Recommendation,
    "quantgate.verdict/1": Verdict,
    "quantgate.suite-check/1": SuiteCheckOutput,
    "quantgate.corpus-build/1": CorpusOutput,
    "quantgate.corpus-check/1": CorpusCheckOutput,
    "quantgate.corpus-list/1": CorporaOutput,
    "quantgate.corpus-show/1": CorpusOutput,
    "quantgate.corpus-diff/1": CorpusDiffOutput,
    "quantgate.corpus-drift/1": CorpusDriftOutput,
    "quantgate.bundle/1": BundleOutput,
    "quantgate.attest/1": AttestedOutput,
    "quantgate.publish/1": PublishedOutput,
    "quantgate.report-tables/1": ReportTablesOutput,
    "quantgate.scale/1": ScaleOutput,
    "quantgate.releases/1": ReleasesOutput,
    "quantgate.gc/1": ClearingOutput,
    "quantgate.store-list/1": SharedListing,
    "quantgate.store-push/1": SharedTransfer,
    "quantgate.store-pull/1": SharedTransfer,
    "quantgate.store-clean/1": SharedTransfer,
}
"""By the name that stands under `schema` in what is printed."""
