"""Pairing outcomes, statistics and verdicts."""

from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from quantgate.pipelines.domain.run import GradedAnswer, RunContract, Way
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.verdicts.decision import Decision, Interval
from quantgate.pipelines.domain.verdicts.judge_evidence import JudgeEvidence
from quantgate.pipelines.domain.verdicts.policy import Policy

__all__ = [
    "Clusters",
    "Decision",
    "FamilyAdjustment",
    "Interval",
    "PairOutcome",
    "PairedItem",
    "PairedStatistics",
    "RefusalStatistics",
    "RuleVerdict",
    "ScoreStatistics",
    "SliceVerdict",
    "VariantRuns",
    "Verdict",
    "WayCount",
]


class PairOutcome(StrEnum):
    """What became of one item between reference and variant."""

    BOTH_RIGHT = "both right"
    BROKE = "broke"
    FIXED = "fixed"
    BOTH_WRONG_SAME = "both wrong, same answer"
    BOTH_WRONG_DIFFERENT = "both wrong, different answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedItem:
    """One item answered by both. `stable` is False where the reference disagrees with itself (A/A).

    Unstable items are listed and kept out of the break rate. `critical` and `group` are the item's.
    `variant_runs` are the variant's answers in all its runs where it answered more than once, else empty:
    `variant` is then the first of them that broke the item (the first of all where none did), and `outcome`
    says what became of it there.
    """

    item_id: str
    slices: tuple[str, ...]
    outcome: PairOutcome
    stable: bool
    reference: GradedAnswer
    variant: GradedAnswer
    critical: bool = False
    group: str | None = None
    variant_runs: tuple[GradedAnswer, ...] = ()

    @property
    def variant_stable(self) -> bool:
        """Whether the variant agrees with itself on this item, as far as it was asked again."""
        return len({graded.grade.correct for graded in self.variant_runs}) <= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """How many independent pieces of evidence items that share groups amount to.

    `groups` counts groups, an item of none being one by itself. `effective_items` of all items and
    `effective_reliable` of the reliable ones: see `pipelines.paired.clusters`. `broke_groups` are groups
    in which something broke: two broken items of one group are one piece of evidence.
    """

    groups: int
    effective_items: float
    effective_reliable: float
    broke_groups: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreStatistics:
    """Mean scores, 0 to 1, where graders say more than right and wrong or items were sampled often.

    `delta` is variant minus reference; its interval is two-sided, `delta_lower_bound` one-sided, both
    by a paired bootstrap (`pipelines.paired.scores`). `lost_groups` are groups whose mean score sank, an
    item of none being one by itself.
    """

    reference_mean: float
    variant_mean: float
    delta: float
    delta_interval: Interval
    delta_lower_bound: float
    lost_groups: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalStatistics:
    """How many of the items whose grader tells refusals were refused.

    `increase` is variant minus reference as a share of these items, `increase_upper_bound` its one-sided
    paired bound. `more_groups` are groups in which something is refused that was not.
    """

    items: int
    reference_refused: int
    variant_refused: int
    increase: float
    increase_upper_bound: float
    more_groups: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WayCount:
    """How many items broke in one way."""

    way: Way
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRuns:
    """What the single runs of a variant came to, a number each in their order.

    `broke` counts reliable items that broke, `right` all items that are right; `unstable` are items on which
    the variant disagrees with itself.
    """

    broke: tuple[int, ...]
    right: tuple[int, ...]
    unstable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedStatistics:
    """Counts and inference for one slice, or for the whole suite.

    `reliable` is the number of stable items the reference gets right (the denominator of the break
    rate) and `broke` those of them that the variant gets wrong; `unstable` items are in `items`,
    `reference_right` and `variant_right`, but never in `reliable`, `broke` or `fixed`.
    `delta` is variant minus reference accuracy over all items, with its paired interval.
    `detectable_break_rate`: see `pipelines.paired`.

    `break_rate_p` is the probability of so few breaks if the true rate were the limit;
    `delta_lower_bound` and `accuracy_lower_bound` are one-sided. Tokens are those of all answers.
    `clusters` is None where no two items share a group, `scores` where every grade is 0 or 1,
    `refusals` where no grader tells them. `broke_ways` says how the items of `broke` are wrong now, the
    most frequent way first. Tokens of thoughts are among those of the answers. `lost_groups` are groups
    with an item, stable or not, that only the reference gets right, `wrong_groups` those with one that the
    variant gets wrong; an item of no group is one by itself.

    Where a variant answered more than once, `runs` has what its runs came to: rates, means and differences
    are then means over them, tokens too; counts are those of the run in which most broke; and each bound and
    p-value is the least favourable of all (`pipelines.paired.repeated`).
    """

    items: int
    reference_right: int
    variant_right: int
    unstable: int
    reliable: int
    broke: int
    fixed: int
    changed_wrong: int
    delta: float
    delta_interval: Interval
    break_rate_bound: float
    mcnemar_p: float
    detectable_break_rate: float
    break_rate_p: float = 1.0
    delta_lower_bound: float = -1.0
    accuracy_lower_bound: float = 0.0
    reference_tokens: int = 0
    variant_tokens: int = 0
    clusters: Clusters | None = None
    scores: ScoreStatistics | None = None
    refusals: RefusalStatistics | None = None
    broke_ways: tuple[WayCount, ...] = ()
    reference_thought_tokens: int = 0
    variant_thought_tokens: int = 0
    lost_groups: int = 0
    wrong_groups: int = 0
    runs: VariantRuns | None = None

    @property
    def reference_accuracy(self) -> float:
        """Share of items the reference gets right; 0 without items."""
        return self.reference_right / self.items if self.items else 0.0

    @property
    def variant_accuracy(self) -> float:
        """Share of items the variant gets right; 0 without items."""
        right = fmean(self.runs.right) if self.runs else self.variant_right
        return right / self.items if self.items else 0.0

    @property
    def break_rate(self) -> float:
        """Observed share of reliably right items that broke; 0 without such items."""
        broke = fmean(self.runs.broke) if self.runs else self.broke
        return broke / self.reliable if self.reliable else 0.0

    @property
    def flip_rate(self) -> float:
        """Share of all items whose correctness changed, unstable ones not counted as flips."""
        return (self.broke + self.fixed) / self.items if self.items else 0.0

    @property
    def effective_reliable(self) -> float:
        """How many independent items the reliable ones amount to."""
        return self.clusters.effective_reliable if self.clusters else float(self.reliable)

    @property
    def broke_apart(self) -> int:
        """How many breaks there are with a cause of their own: those of one group are one."""
        return self.clusters.broke_groups if self.clusters else self.broke

    @property
    def verbosity_ratio(self) -> float:
        """Tokens of the variant's answers for one of the reference's; a reference of none counts as one."""
        return self.variant_tokens / max(1, self.reference_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVerdict:
    """A further rule of the policy, judged. `rule` is its key in the policy file."""

    rule: str
    decision: Decision
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceVerdict:
    """One slice (or, named `all`, the whole suite) judged; `unbroken_items_needed` more would settle it.

    `decision` is the worst of the break rate's and the further `rules`'; `reason` has the sentences of
    those that decided.
    """

    name: str
    critical: bool
    decision: Decision
    reason: str
    statistics: PairedStatistics
    unbroken_items_needed: int
    rules: tuple[RuleVerdict, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyAdjustment:
    """What being one of several variants of a build did to the whole suite's test (Holm, 1979).

    `raw_p` is the probability of so few breaks if the true rate were the limit, `adjusted_p` the same
    with all `variants` tried taken into account.
    """

    variants: int
    raw_p: float
    adjusted_p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What may be said of a variant on a suite, in a runtime, with these decode settings.

    `reasons` says in plain sentences why the decision is what it is (audit misses first).
    `contract` is the variant's run's, `repeat_keys` name its further ones. A variant that failed its audit
    before any item was asked has no run: then `run_key` and `whole` are None, `slices` and `items` empty, and
    `contract` is the one under which it would have been asked. `not_asked` lists the items of a variant that
    was stopped because nothing they could answer would have changed the decision; statistics are then of the
    others. `family` is None where the policy does not ask for family-wise control, `judge` where no answer
    was graded by a judge model.
    """

    subject: str
    decision: Decision
    reasons: tuple[str, ...]
    policy: Policy
    contract: RunContract
    reference_key: str
    run_key: str | None
    suite_digest: Digest
    whole: SliceVerdict | None
    slices: tuple[SliceVerdict, ...]
    items: tuple[PairedItem, ...]
    not_asked: tuple[str, ...] = ()
    family: FamilyAdjustment | None = None
    judge: JudgeEvidence | None = None
    repeat_keys: tuple[str, ...] = ()

    @property
    def unproven_slices(self) -> tuple[str, ...]:
        """Names of slices that are too small to prove themselves."""
        return tuple(s.name for s in self.slices if s.decision is Decision.UNPROVEN)
