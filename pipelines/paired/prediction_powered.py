"""Shares estimated from many verdicts of a judge and few labels of people.

Angelopoulos, Bates, Fannjiang, Jordan & Zrnic, "Prediction-powered inference", Science 382, 669-674
(2023): a model's predictions on many cases are corrected by its errors on few labelled ones, and the
interval holds however bad the model is. The weight of the predictions is the one with the least variance
(Angelopoulos, Duchi & Zrnic, "PPI++: Efficient prediction-powered inference", arXiv 2311.01453, 2023),
so that a useless judge counts nothing.

Both papers rely on large samples, and labels on breaks are few: a judge that erred on no labelled answer
would seem never to err. So two answers of either error are added to the labelled ones before variances
are taken (the plus-four rule of Agresti & Coull, The American Statistician 52, 1998, and of Agresti &
Min for differences of paired shares, Biometrics 61, 2005), and Student's t takes the place of the normal
distribution. Simulated coverage stands in the tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma, sqrt

from quantgate.pipelines.domain.verdicts.judge_evidence import CorrectedRate
from quantgate.pipelines.domain.verdicts.verdict import Interval

ADDED = 2
"""Answers of each kind of error that are added to the labelled ones."""

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Labelled answers by what the person says first, the judge second; unlabelled ones by the judge."""

    yes_yes: float
    yes_no: float
    no_yes: float
    no_no: float
    unlabelled_yes: int
    unlabelled: int

    @property
    def labelled(self) -> float:
        """All labelled ones."""
        return self.yes_yes + self.yes_no + self.no_yes + self.no_no


def corrected_rate(
    pairs: Sequence[tuple[bool, bool | None]], *, confidence: float
) -> CorrectedRate | None:
    """Return the share of answers that people would call so, from (judge, person or None) pairs.

    None where no answer has a label. Answers have to be alike and independent, the labelled ones a
    random draw of them. Two-sided interval and one-sided bounds are cut to [0, 1].
    """
    counts = _counted(pairs)
    if counts.labelled == 0:
        return None
    from scipy.special import stdtrit

    estimate, error, weight = prediction_powered(counts)
    freedom = counts.labelled + 2 * ADDED - 1

    def bound(probability: float) -> float:
        return min(1.0, max(0.0, estimate + float(stdtrit(freedom, probability)) * error))

    tail = (1.0 - confidence) / 2.0
    return CorrectedRate(
        answers=len(pairs),
        labels=int(counts.labelled),
        judged=sum(judge for judge, _ in pairs) / len(pairs),
        corrected=min(bound(1.0 - tail), max(bound(tail), _plain(counts, weight))),
        interval=Interval(low=bound(tail), high=bound(1.0 - tail)),
        lower_bound=bound(1.0 - confidence),
        upper_bound=bound(confidence),
        weight=weight,
    )


def prediction_powered(counts: Counts) -> tuple[float, float, float]:
    """Return (estimate, standard error, weight of the predictions), with `ADDED` errors of each kind.

    estimate = mean(Y) + weight * (mean(F unlabelled) - mean(F labelled)), with Y what people say and F
    what the judge says; its variance is var(Y - weight F) / n + weight² var(F) / N, least at
    weight = cov(Y, F) / ((1 + n / N) var(F)), kept within 0 and 1.
    """
    n = counts.labelled + 2 * ADDED
    person = (counts.yes_yes + counts.yes_no + ADDED) / n
    judge = (counts.yes_yes + counts.no_yes + ADDED) / n
    unbiased = n / (n - 1)
    covariance = (counts.yes_yes / n - person * judge) * unbiased
    weight = _weight(counts, covariance, n)
    variance = person * (1 - person) + weight**2 * judge * (1 - judge)
    labelled = (variance * unbiased - 2 * weight * covariance) / n
    if not counts.unlabelled:
        return person, sqrt(max(0.0, labelled)), 0.0
    there = counts.unlabelled_yes / counts.unlabelled
    padded = (counts.unlabelled_yes + ADDED) / (counts.unlabelled + 2 * ADDED)
    unlabelled = weight**2 * padded * (1 - padded) / counts.unlabelled
    return person + weight * (there - judge), sqrt(max(0.0, labelled + unlabelled)), weight


def _plain(counts: Counts, weight: float) -> float:
    """The estimate without the answers that are added for the variance's sake."""
    person = (counts.yes_yes + counts.yes_no) / counts.labelled
    judge = (counts.yes_yes + counts.no_yes) / counts.labelled
    there = counts.unlabelled_yes / counts.unlabelled if counts.unlabelled else judge
    return person + weight * (there - judge)


def drawn_alike(verdicts: Sequence[bool], labelled: Sequence[bool]) -> float:
    """Return Fisher's two-sided exact p that labelled answers have the others' share of these verdicts.

    The sum of the probabilities, given both margins, of all tables no likelier than the one there is
    (Fisher, Statistical Methods for Research Workers, 1934, section 21.02). 1 where all or none is
    labelled.
    """
    drawn = sum(labelled)
    hits = sum(verdicts)
    seen = sum(a and b for a, b in zip(verdicts, labelled, strict=True))
    total = len(verdicts)
    possible = range(max(0, drawn + hits - total), min(drawn, hits) + 1)
    logs = {k: _log_choose(hits, k) + _log_choose(total - hits, drawn - k) for k in possible}
    whole = _log_choose(total, drawn)
    likely = {k: exp(value - whole) for k, value in logs.items()}
    return min(1.0, sum(p for p in likely.values() if p <= likely[seen] * (1 + _TOLERANCE)))


def _weight(counts: Counts, covariance: float, labelled: float) -> float:
    """Without unlabelled answers there is nothing that predictions could add."""
    if not counts.unlabelled:
        return 0.0
    every = labelled + counts.unlabelled + 2 * ADDED
    yes = counts.yes_yes + counts.no_yes + counts.unlabelled_yes + 2 * ADDED
    variance = (yes / every) * (1 - yes / every)
    if variance <= 0.0:
        return 0.0
    return min(1.0, max(0.0, covariance / ((1 + labelled / counts.unlabelled) * variance)))


def _counted(pairs: Sequence[tuple[bool, bool | None]]) -> Counts:
    def labelled(person: bool, judge: bool) -> int:
        return sum(pair == (judge, person) for pair in pairs)

    unlabelled = [judge for judge, person in pairs if person is None]
    return Counts(
        yes_yes=labelled(True, True),
        yes_no=labelled(True, False),
        no_yes=labelled(False, True),
        no_no=labelled(False, False),
        unlabelled_yes=sum(unlabelled),
        unlabelled=len(unlabelled),
    )


def _log_choose(total: int, part: int) -> float:
    return lgamma(total + 1) - lgamma(part + 1) - lgamma(total - part + 1)
