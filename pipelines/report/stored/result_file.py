"""A build's `result.json`, read back: what later commands list, export and compare, whatever code judged it.

Only the keys that they need are here; a result of a later version has more, and is read as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quantgate.pipelines.domain.run import RuntimeIdentity
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.domain.verdicts.decision import Interval
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.files.records import read_record
from quantgate.pipelines.files.store import Store

RESULT = "result.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredScope:
    """The whole suite (`all`) or a slice, as it was judged; see `PairedStatistics`."""

    name: str
    decision: str
    reason: str
    items: int
    unstable: int
    reliable: int
    broke: int
    fixed: int
    reference_accuracy: float
    accuracy: float
    delta: float
    delta_interval: Interval
    break_rate: float
    break_rate_bound: float
    mcnemar_p: float
    unbroken_items_needed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredText:
    """What was said, and what the grader said of it."""

    text: str
    reason: str
    way: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChange:
    """A changed answer; `outcome` is a `PairOutcome`'s word, `margin` the base's in nats (None: unknown)."""

    item_id: str
    slices: tuple[str, ...]
    outcome: str
    stable: bool
    reference: StoredText
    variant: StoredText
    margin: float | None = None
    variant_runs_right: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredContract:
    """Of a run's contract what answered."""

    runtime: RuntimeIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVerdict:
    """A verdict. `whole` is None where nothing was asked."""

    decision: str
    reasons: tuple[str, ...]
    contract: StoredContract
    reference_key: Digest
    run_key: Digest | None
    whole: StoredScope | None
    slices: tuple[StoredScope, ...]
    not_asked: tuple[str, ...]
    changed_answers: tuple[StoredChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFiles:
    """What was built."""

    key: str
    digest: str
    size_bytes: int
    bits_per_weight: float
    file_bits_per_weight: float
    corpus_label: str | None
    corpus_digest: str | None
    toolchain_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecipe:
    """Of a recipe what it is called and where it is judged."""

    name: str
    runtime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVariant:
    """One variant. `decision` is `error` where something stopped it, and `failure` says what."""

    identifier: str
    decision: str
    registered_version: str | None
    failure: str | None
    recipe: StoredRecipe
    numerics: str
    kernels: str
    files: StoredFiles | None
    audit: AuditReport | None
    verdict: StoredVerdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWrongItem:
    """An item that the base gets wrong, and what it said."""

    item_id: str
    answer: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReference:
    """The base in one runtime. `margins`: see `ReferenceSummary`; results of before have none."""

    key: Digest
    subject: str
    contract: StoredContract
    accuracy: float
    wrong_items: tuple[StoredWrongItem, ...]
    margins: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """The base."""

    name: str
    source: str
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSuite:
    """The suite; `items` counts them."""

    name: str
    version: int
    digest: str
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCorpus:
    """A corpus of the build."""

    label: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """A build's result. `decision` is None where the base was judged on its own."""

    schema: str
    build: str
    created_at: str
    decision: str | None
    smallest_passing: str | None
    model: StoredModel
    suite: StoredSuite
    policy: Policy
    corpora: tuple[StoredCorpus, ...]
    references: tuple[StoredReference, ...]
    variants: tuple[StoredVariant, ...]

    @property
    def champion(self) -> StoredVariant | None:
        """The smallest variant that passes; None of none."""
        return next((v for v in self.variants if v.identifier == self.smallest_passing), None)

    def short_name(self, variant: StoredVariant) -> str:
        """Return a variant's identifier without the model's name in front."""
        return variant.identifier.removeprefix(f"{self.model.name}--")


def read_result(folder: Path) -> StoredResult:
    """Read the result in a build's report folder.

    Raises:
        InputError: where there is none, or it is damaged or of another version.
    """
    return read_record(StoredResult, folder / RESULT)


def result_folders(store: Store) -> tuple[Path, ...]:
    """Return the report folders of a store that hold a result, by name."""
    return tuple(sorted(path.parent for path in (store.root / "reports").glob(f"*/{RESULT}")))
