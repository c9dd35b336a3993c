"""What a build's predictions were worth: held against the items that broke."""

from collections.abc import Iterator
from dataclasses import dataclass

from quantgate.pipelines.domain.verdicts.verdict import PairOutcome
from quantgate.pipelines.paired.pairing import first_outcome
from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.naming import short_name
from quantgate.pipelines.report.predictions.scoring import Foretold, PredictionScore, score
from quantgate.pipelines.report.wording import percent

_WORTH_NAMING = 0.02
"""The least share of the base rate's Brier score that is called a gain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForetoldRow:
    """One variant: what was expected of it, what it did, and of what the expectation was taken.

    `expected` and `broke` are of the `items` that the prediction names and that were asked; divergences are
    mean KL in nats a token, `measured` None where the audit measured none.
    """

    variant: str
    items: int
    expected: float
    broke: int
    hits: int
    divergence: float
    measured: float | None
    divergence_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForetoldBreaks:
    """All predictions of a build, in plan order, and their score together; `verdict` says it in a sentence.

    `answers` of `builds` earlier builds were learned from.
    """

    rows: tuple[ForetoldRow, ...]
    score: PredictionScore
    verdict: str
    answers: int
    builds: int


def foretold_breaks(report: BuildReport) -> ForetoldBreaks | None:
    """Return what a build's predictions were worth; None where there are none."""
    held = [(variant, each) for variant in report.variants for each in _held(variant)]
    together = score([each for _, each in held])
    if together is None:
        return None
    last = held[-1][1].prediction
    return ForetoldBreaks(
        rows=tuple(row for variant, each in held for row in _rows(report, variant, each)),
        score=together,
        verdict=_verdict(together),
        answers=last.answers,
        builds=last.builds,
    )


def _held(variant: VariantReport) -> Iterator[Foretold]:
    if variant.prediction is not None and variant.verdict is not None:
        broke = {
            pair.item_id: pair.stable and first_outcome(pair) is PairOutcome.BROKE
            for pair in variant.verdict.items
        }
        yield Foretold(prediction=variant.prediction, broke=broke)


def _rows(report: BuildReport, variant: VariantReport, each: Foretold) -> Iterator[ForetoldRow]:
    alone = score([each])
    if alone is None:
        return
    measured = variant.audit.divergence if variant.audit else None
    yield ForetoldRow(
        variant=short_name(report, variant),
        items=alone.items,
        expected=alone.expected,
        broke=alone.broke,
        hits=alone.hits,
        divergence=each.prediction.divergence,
        measured=measured.mean_kl if measured else None,
        divergence_from=each.prediction.divergence_from,
    )


def _verdict(score: PredictionScore) -> str:
    if not score.broke:
        return f"Nothing broke, where {score.expected:.1f} breaks were expected: there is nothing to hit."
    hit = (
        f"Of the {score.broke} items that broke, {score.hits} had been called the likeliest, where"
        f" {score.hits_by_chance:.0f} would have been by chance; a broken item had been called likelier than"
        f" an unbroken one in {percent(score.ranked)} of pairs."
    )
    brier = (
        f"The Brier score is {score.brier:.4f}, and {score.base_rate_brier:.4f} for who knows each"
    )
    brier += " variant's break rate, and not which items"
    if score.skill < _WORTH_NAMING:
        return f"{hit} {brier}: as chances these are no better than the base rate."
    return f"{hit} {brier}: {100 * score.skill:.0f} % of that error is saved."
