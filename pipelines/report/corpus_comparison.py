"""One recipe on several corpora: what each one's variant does, and pairs of them item by item."""

from collections import defaultdict
from dataclasses import dataclass

from quantgate.pipelines.domain.verdicts.verdict import Decision, Interval, PairedItem, Verdict
from quantgate.pipelines.paired.exact import mcnemar_p
from quantgate.pipelines.paired.interval import paired_difference_interval
from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.specs.corpora_axis import split_corpus

_DIVERGENCE = "divergence"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstFirst:
    """A variant paired with the first corpus's one on the items both were asked.

    `won` and `lost` count items that only this one, or only the first one, gets right; `delta` is the
    difference of accuracy with its 95 % interval (Tango), `mcnemar_p` exact.
    """

    items: int
    won: int
    lost: int
    delta: float
    delta_interval: Interval
    mcnemar_p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusRow:
    """One recipe on one corpus. What is not known is None; `divergence` is the mean, as its audit says it."""

    corpus: str
    identifier: str
    decision: Decision | None
    accuracy: float | None
    broke: int | None
    reliable: int | None
    divergence: str | None
    against_first: AgainstFirst | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusComparison:
    """All variants of one recipe, in the order in which the build names its corpora."""

    recipe: str
    rows: tuple[CorpusRow, ...]


def corpus_comparisons(report: BuildReport) -> tuple[CorpusComparison, ...]:
    """Return a comparison for every recipe that was built on two corpora or more (`none` is one)."""
    groups: dict[str, list[tuple[str, VariantReport]]] = defaultdict(list)
    for variant in report.variants:
        recipe, corpus = split_corpus(variant.recipe.name)
        if corpus is not None:
            groups[f"{recipe} {variant.recipe.kv_cache}"].append((corpus, variant))
    return tuple(
        CorpusComparison(
            recipe=split_corpus(variants[0][1].recipe.name)[0],
            rows=tuple(_row(corpus, variant, variants[0][1]) for corpus, variant in variants),
        )
        for variants in groups.values()
        if len(variants) > 1
    )


def _row(corpus: str, variant: VariantReport, first: VariantReport) -> CorpusRow:
    verdict = variant.verdict
    counted = verdict.whole.statistics if verdict and verdict.whole else None
    findings = variant.audit.findings if variant.audit else ()
    return CorpusRow(
        corpus=corpus,
        identifier=variant.identifier,
        decision=verdict.decision if verdict else None,
        accuracy=counted.variant_accuracy if counted else None,
        broke=counted.broke if counted else None,
        reliable=counted.reliable if counted else None,
        divergence=next(
            (f.found.split(";")[0] for f in findings if f.check.startswith(_DIVERGENCE)), None
        ),
        against_first=None if variant is first else _against(variant.verdict, first.verdict),
    )


def _against(verdict: Verdict | None, first: Verdict | None) -> AgainstFirst | None:
    if verdict is None or first is None:
        return None
    before = {item.item_id: _right(item) for item in first.items}
    pairs = [(before[i.item_id], _right(i)) for i in verdict.items if i.item_id in before]
    if not pairs:
        return None
    won = sum(mine and not other for other, mine in pairs)
    lost = sum(other and not mine for other, mine in pairs)
    return AgainstFirst(
        items=len(pairs),
        won=won,
        lost=lost,
        delta=(won - lost) / len(pairs),
        delta_interval=paired_difference_interval(
            gained=won, lost=lost, items=len(pairs), confidence=0.95
        ),
        mcnemar_p=mcnemar_p(lost, won),
    )


def _right(item: PairedItem) -> bool:
    return item.variant.grade.correct
