"""What the store's earlier builds showed: answers by margin and divergence, and divergences by recipe."""

from collections.abc import Iterator
from dataclasses import dataclass

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.verdicts.verdict import PairOutcome
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.report.predictions.breaking import SeenAnswer, fitted
from quantgate.pipelines.report.predictions.divergence import SeenDivergence
from quantgate.pipelines.report.predictions.predicted import Learned
from quantgate.pipelines.report.stored.result_file import (
    RESULT,
    StoredResult,
    StoredVariant,
    read_result,
    result_folders,
)

_NEWEST = 12
"""How many builds are looked at: results of many items take a while to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """What was seen, and learned from it. Builds whose runtimes tell no margins show divergences alone."""

    divergences: tuple[SeenDivergence, ...]
    learned: Learned


def experience_of(store: Store, *, beside: str) -> Experience:
    """Return what a store's newest builds showed, the named one left out; damaged results tell nothing."""
    folders = [folder for folder in result_folders(store) if folder.name != beside]
    folders.sort(key=lambda folder: (folder / RESULT).stat().st_mtime, reverse=True)
    results = []
    for folder in folders[:_NEWEST]:
        try:
            results.append(read_result(folder))
        except InputError:  # of another version, or damaged: whoever needs this very build says so
            continue
    answers = [tuple(_answers(result)) for result in results]
    return Experience(
        divergences=tuple(seen for result in results for seen in _divergences(result)),
        learned=Learned(
            model=fitted([answer for each in answers for answer in each]),
            answers=sum(map(len, answers)),
            builds=sum(bool(each) for each in answers),
        ),
    )


def _answers(result: StoredResult) -> Iterator[SeenAnswer]:
    margins = {reference.key: reference.margins for reference in result.references}
    for variant in result.variants:
        divergence = _mean_kl(variant)
        if variant.verdict is None or variant.verdict.whole is None or divergence is None:
            continue
        verdict = variant.verdict
        broke = {
            change.item_id
            for change in verdict.changed_answers
            if change.outcome == PairOutcome.BROKE and not any(change.variant_runs_right[:1])
        }
        not_asked = frozenset(verdict.not_asked)
        for item_id, margin in margins.get(verdict.reference_key, {}).items():
            if item_id not in not_asked:
                yield SeenAnswer(margin=margin, divergence=divergence, broke=item_id in broke)


def _divergences(result: StoredResult) -> Iterator[SeenDivergence]:
    for variant in result.variants:
        divergence = _mean_kl(variant)
        if variant.files is not None and divergence is not None:
            yield SeenDivergence(
                recipe=variant.recipe.name,
                base_digest=result.model.digest,
                bits_per_weight=variant.files.bits_per_weight,
                divergence=divergence,
            )


def _mean_kl(variant: StoredVariant) -> float | None:
    measured = variant.audit.divergence if variant.audit else None
    return measured.mean_kl if measured else None
