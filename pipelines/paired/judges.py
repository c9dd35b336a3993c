"""How far a judge model can be trusted on one run, and what its verdicts amount to with people's labels.

A judge that is wrong one time in ten says nothing about a break rate of two in a hundred. So its verdicts
count only with an anchor: labels that people gave to a random part of the very answers it judged.
"""

from collections.abc import Sequence
from math import atanh, log1p, sqrt, tanh

from quantgate.pipelines.domain.suites.anchor import AnchorLabel, answer_digest
from quantgate.pipelines.domain.verdicts.judge_evidence import Estimate, JudgedAnswer, JudgeEvidence
from quantgate.pipelines.domain.verdicts.verdict import Decision, Interval, PairedItem, PairOutcome
from quantgate.pipelines.paired.agreement import cohens_kappa, share
from quantgate.pipelines.paired.prediction_powered import corrected_rate, drawn_alike

MIN_LABELS = 50
"""With fewer labels a break rate of 10 % could not be excluded even where judge and people call nothing
broken (upper bound at 95 %: 12.8 % with 30 labels, 8.0 % with 50, 4.2 % with 100)."""

UNLIKE_DRAW_P = 0.01
"""Below this probability the labelled answers are no random draw of all: somebody chose them."""

JUDGE = "judge@"
JUDGE_FACET = "judge"
"""The facet of a judge's grade that keeps its own verdict, also where a person has overruled the grade."""

_LEAST_FOR_CORRELATION = 10


def judged_answers(
    paired: Sequence[PairedItem], labels: Sequence[AnchorLabel]
) -> tuple[JudgedAnswer, ...]:
    """Return the variant's answers that a judge has graded, each with its label if it has one.

    Of several labels of one answer the last holds.
    """
    right_by_label = {(label.item_id, label.answer_digest): label.right for label in labels}
    answers = []
    for item in paired:
        graded = item.variant
        verdict = {facet.name: facet.score for facet in graded.grade.facets}.get(JUDGE_FACET)
        if not graded.grade.grader.startswith(JUDGE) or verdict is None:
            continue
        text = graded.said
        answers.append(
            JudgedAnswer(
                item_id=item.item_id,
                judge_right=verdict >= 0.5,
                person_right=right_by_label.get((item.item_id, answer_digest(text))),
                characters=len(text),
                reliable=item.stable
                and item.outcome in (PairOutcome.BOTH_RIGHT, PairOutcome.BROKE),
            )
        )
    return tuple(answers)


def judge_evidence(
    answers: Sequence[JudgedAnswer], *, labels: int, confidence: float
) -> JudgeEvidence:
    """Return what a judge's verdicts on one run are worth.

    `labels` is how many the anchor file holds, so that those of other answers are counted as stale.
    """
    labelled = [answer for answer in answers if answer.person_right is not None]
    both = [(answer.judge_right, bool(answer.person_right)) for answer in labelled]
    wrong = [judge for judge, person in both if not person]
    right = [judge for judge, person in both if person]
    problem = _problem(answers, labelled)
    reliable = [answer for answer in answers if answer.reliable]
    return JudgeEvidence(
        decision=Decision.INCONCLUSIVE if problem else Decision.PASS,
        reason=problem or f"{len(labelled)} of {len(answers)} answers have a person's label",
        confidence=confidence,
        answers=len(answers),
        labels=len(labelled),
        stale_labels=max(0, labels - len(labelled)),
        agreement=sum(judge == person for judge, person in both) / len(both) if both else 0.0,
        kappa=cohens_kappa(_table(both), confidence) if both else None,
        false_right=share(sum(wrong), len(wrong), confidence) if wrong else None,
        false_wrong=share(len(right) - sum(right), len(right), confidence) if right else None,
        length_bias=_length_bias(labelled, confidence),
        accuracy=corrected_rate(
            [(answer.judge_right, answer.person_right) for answer in answers], confidence=confidence
        ),
        break_rate=corrected_rate(
            [(not answer.judge_right, _broken(answer)) for answer in reliable],
            confidence=confidence,
        ),
    )


def _broken(answer: JudgedAnswer) -> bool | None:
    return None if answer.person_right is None else not answer.person_right


def _problem(answers: Sequence[JudgedAnswer], labelled: Sequence[JudgedAnswer]) -> str | None:
    """Say why the labels do not carry the judge's verdicts, or None where they do."""
    if not answers:
        return "no answer was judged"
    counted = [answer for answer in labelled if answer.reliable]
    reliable = [answer for answer in answers if answer.reliable]
    for what, have, of in (
        ("answers", labelled, answers),
        ("answers to items that count for the break rate", counted, reliable),
    ):
        if len(have) < min(MIN_LABELS, len(of)):
            return (
                f"only {len(have)} of {len(of)} {what} have a person's label; at least "
                f"{min(MIN_LABELS, len(of))} are needed"
            )
    p = drawn_alike(
        [answer.judge_right for answer in answers],
        [answer.person_right is not None for answer in answers],
    )
    if p < UNLIKE_DRAW_P:
        return (
            "the labelled answers are no random draw: the judge calls another share of them right than "
            f"of the others (p = {p:.2g})"
        )
    return None


def _table(both: Sequence[tuple[bool, bool]]) -> tuple[tuple[int, int], tuple[int, int]]:
    def count(judge: bool, person: bool) -> int:
        return sum(pair == (judge, person) for pair in both)

    return (count(True, True), count(True, False)), (count(False, True), count(False, False))


def _length_bias(labelled: Sequence[JudgedAnswer], confidence: float) -> Estimate | None:
    """Pearson's correlation of the judge's error with log(1 + characters), interval by Fisher's z.

    Fisher, "On the probable error of a coefficient of correlation", Metron 1 (1921). With an error of
    two values this is the point-biserial correlation.
    """
    errors = [float(answer.judge_right) - float(bool(answer.person_right)) for answer in labelled]
    lengths = [log1p(answer.characters) for answer in labelled]
    value = _correlation(errors, lengths)
    if value is None or len(labelled) < _LEAST_FOR_CORRELATION:
        return None
    from scipy.special import ndtri

    half = float(ndtri(0.5 + confidence / 2.0)) / sqrt(len(labelled) - 3)
    middle = atanh(max(-0.999999, min(0.999999, value)))
    return Estimate(
        value=value, interval=Interval(low=tanh(middle - half), high=tanh(middle + half))
    )


def _correlation(left: Sequence[float], right: Sequence[float]) -> float | None:
    if len(left) < 2:
        return None
    mean_left, mean_right = sum(left) / len(left), sum(right) / len(right)
    products = [(a - mean_left, b - mean_right) for a, b in zip(left, right, strict=True)]
    spread = sqrt(sum(a * a for a, _ in products) * sum(b * b for _, b in products))
    return sum(a * b for a, b in products) / spread if spread > 1e-12 else None
