"""One build, finished: everything its page, its table and its JSON result are drawn from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from quantgate.pipelines.audit.served import kernels_of
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.prediction import Prediction
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.run import Kernels, Run
from quantgate.pipelines.domain.search import Search
from quantgate.pipelines.domain.speed import Speed
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.variant import Variant
from quantgate.pipelines.domain.verdicts.audit import AuditFinding, AuditReport
from quantgate.pipelines.domain.verdicts.base_divergence import BaseDivergence
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision, Verdict
from quantgate.pipelines.domain.verdicts.waiver import BaseDivergenceWaiver, ContaminationWaiver
from quantgate.pipelines.report.corpus_notes import CorpusNotes, RowsToWrite

CHARTS = "charts"
"""The folder beside a build's page with its charts, a file each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceReport:
    """The base in one runtime: the primary run first, then its A/A repeats; never empty."""

    runs: tuple[Run, ...]

    @property
    def primary(self) -> Run:
        """The run that variants are paired with."""
        return self.runs[0]

    @property
    def accuracy(self) -> float:
        """Share of items the primary run gets right; 0 without items."""
        answers = self.primary.answers
        return sum(graded.grade.correct for graded in answers) / len(answers) if answers else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseReport:
    """The base in one runtime, held against the checkpoint itself.

    `divergence` is None where it was not measured; `finding` says why, or whether it is within rounding.
    `cause` says which setting makes the difference, "" where there is none. `waiver` is the one without
    which the runtime could not judge.
    """

    runtime: str
    engine: str
    finding: AuditFinding
    divergence: BaseDivergence | None = None
    cause: str = ""
    waiver: BaseDivergenceWaiver | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantReport:
    """One planned variant and how far it came.

    `failure` is the error that stopped it, None where it was judged; then `variant`, `audit` and
    `verdict` are all there. `registered_version` is its version in the registry, None where it has none.
    `unprovable`: it was not built, for nothing can pass on what the base gets right. `tokens_per_second` is
    how fast it answered, None where that was not measured or its runtime serves nobody. `speed` is how fast
    it is beside its base, None where it was not timed; `untimed` then says why, "" where nobody asked for it.
    `prediction` says which items would break, None where its answers were there before it could be made.
    """

    identifier: str
    recipe: Recipe
    variant: Variant | None
    audit: AuditReport | None
    verdict: Verdict | None
    registered_version: str | None = None
    failure: str | None = None
    unprovable: bool = False
    tokens_per_second: float | None = None
    speed: Speed | None = None
    untimed: str = ""
    prediction: Prediction | None = None

    @property
    def passed(self) -> bool:
        """Whether it was judged and passed."""
        return self.verdict is not None and self.verdict.decision is Decision.PASS

    @property
    def size_bytes(self) -> int:
        """Bytes of its files; 0 where it was not built."""
        return self.variant.size_bytes if self.variant else 0

    @property
    def kernels(self) -> Kernels:
        """How its arithmetic was done: as its runtime states it, or as a started server's output told."""
        if self.verdict is None or self.audit is None:
            return "unknown"
        return kernels_of(self.audit, self.verdict.contract.runtime.kernels)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """One build. `variants` are in plan order, `references` one for each runtime in play.

    Without variants the base was judged on its own; `base_failures` says why where it was not.
    `contamination_waivers` are those without which the corpus would have been refused. `bases` are of every
    runtime in which the base could be audited. `search` is what chose the variants, None where somebody did.
    `corpus_notes` describe the corpora; `command` is the one that started the build, "" where another program
    did. `rows_to_write` are rows of traffic for items, by variant and the name of the open scope.
    """

    build: str
    created_at: datetime
    checkpoint: Checkpoint
    corpora: tuple[Corpus, ...]
    suite: Suite
    policy: Policy
    references: tuple[ReferenceReport, ...]
    variants: tuple[VariantReport, ...]
    base_failures: tuple[str, ...] = ()
    contamination_waivers: tuple[ContaminationWaiver, ...] = ()
    bases: tuple[BaseReport, ...] = ()
    search: Search | None = None
    corpus_notes: tuple[CorpusNotes, ...] = ()
    command: str = ""
    rows_to_write: Mapping[tuple[str, str], RowsToWrite] = field(default_factory=dict)

    @property
    def decision(self) -> Decision | None:
        """Pass where any variant does, else inconclusive where any is, else fail; None without variants."""
        if not self.variants:
            return None
        decisions = {report.verdict.decision for report in self.variants if report.verdict}
        if self.unprovable:
            decisions.add(Decision.INCONCLUSIVE)
        for decision in (Decision.PASS, Decision.INCONCLUSIVE):
            if decision in decisions:
                return decision
        return Decision.FAIL

    @property
    def unprovable(self) -> bool:
        """Whether any variant was not built because nothing can pass in its runtime."""
        return any(report.unprovable for report in self.variants)

    @property
    def smallest_passing(self) -> VariantReport | None:
        """The passing variant of the fewest bytes, of equals one with a full KV cache; None of none."""
        passing = [
            (report.variant.size_bytes, report.recipe.numerics.kv_cache != "KV16", report)
            for report in self.variants
            if report.passed and report.variant
        ]
        return min(passing, key=lambda sized: sized[:2])[2] if passing else None
