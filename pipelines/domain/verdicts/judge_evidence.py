"""How far a judge model's verdicts on one run can be trusted."""

from dataclasses import dataclass

from quantgate.pipelines.domain.verdicts.decision import Decision, Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAnswer:
    """One answer of the variant that a judge has judged; `person_right` is None without a label.

    `characters` is the answer's length. `reliable` says that the item counts for the break rate: the
    reference is right, and right each time.
    """

    item_id: str
    judge_right: bool
    person_right: bool | None
    characters: int
    reliable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its two-sided confidence interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedRate:
    """A share of answers, 0 to 1, as the judge has it and as it is with people's labels.

    `labels` of `answers` have one. `lower_bound` and `upper_bound` are one-sided. `weight` is how much
    the judge's verdicts on unlabelled answers count (0: only labels do; 1: as in plain
    prediction-powered inference).
    """

    answers: int
    labels: int
    judged: float
    corrected: float
    interval: Interval
    lower_bound: float
    upper_bound: float
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeEvidence:
    """How a judge's verdicts on one run compare with people's, and what they amount to.

    `decision` is `inconclusive` where the labels do not carry the verdicts, and `reason` says why; else
    it is `pass`, which says no more than that the corrected rates may be used. `false_right` is how
    often it calls right what people call wrong, `false_wrong` the opposite. `length_bias` is the
    correlation of its error (1: called right and is wrong, -1: called wrong and is right) with the
    logarithm of an answer's length. None where there is nothing to compute it from. `stale_labels` are
    labels of answers that this run did not give.
    """

    decision: Decision
    reason: str
    confidence: float
    answers: int
    labels: int
    stale_labels: int
    agreement: float
    kappa: Estimate | None
    false_right: Estimate | None
    false_wrong: Estimate | None
    length_bias: Estimate | None
    accuracy: CorrectedRate | None
    break_rate: CorrectedRate | None
