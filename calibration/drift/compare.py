"""Four questions to two samples of rows, each with a permutation test, held to one alpha together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from quantgate.calibration.drift.distances import (
    Distance,
    Floats,
    contributions,
    jensen_shannon,
    mean_discrepancy,
    wasserstein,
)
from quantgate.calibration.drift.features import Dense, Features, categories, octaves
from quantgate.calibration.drift.ngrams import trigrams, with_squares
from quantgate.calibration.drift.permutation import Labels, Permuted, group_sums, permutation_tests
from quantgate.calibration.drift.results import (
    FEWEST_ROWS,
    SQUARED,
    DriftSettings,
    Shift,
    TestResult,
    TrafficComparison,
)
from quantgate.calibration.drift.rows import (
    DriftRow,
    Sampled,
    asked_text,
    has_answers,
    is_text,
    text_of_answers,
    text_without_answers,
    whole_text,
    without_answers,
)
from quantgate.calibration.drift.tokens import REST, TokenReader, token_counts
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.paired.family import holm

TESTS = 4
_SHIFTS_SHOWN = 8
_FAR_ROWS_SHOWN = 10
_MANY_SHARED = 0.05
_QUANTILES = (0.1, 0.5, 0.9, 0.99)

LanguagesOf = Callable[[Sequence[str]], list[str]]
"""Tells the language of each text, as `pipelines.language.identify.languages_of` does."""


@dataclass(frozen=True, slots=True)
class _Question:
    """One test to be made. `shifts` says what moved, asked only once the rows are as they are."""

    name: str
    unit: str
    threshold: float
    features: Features
    distance: Distance
    shifts: Callable[[], tuple[Shift, ...]]


def compare(
    corpus: Sampled,
    traffic: Sampled,
    settings: DriftSettings,
    *,
    tokens: TokenReader,
    languages_of: LanguagesOf,
    notes: tuple[str, ...] = (),
) -> TrafficComparison:
    """Hold a sample of traffic against a sample of a corpus; `notes` go into the result.

    Where one side has no answers at all (a log of requests), both are compared as they were asked.

    Raises:
        InputError: where a side has fewer than 20 rows, or alpha is none.
    """
    _refuse_too_little(corpus, traffic, settings)
    ours, theirs, alike_notes = _alike(corpus.rows, traffic.rows)
    rows = [*ours, *theirs]
    labels = Labels(
        traffic=np.arange(len(rows)) >= len(ours),
        permutations=permutations_needed(settings),
        seed=settings.seed,
    )
    vectors = _vectors(rows)
    questions = _questions(rows, labels, settings, tokens, languages_of, vectors)
    permuted = permutation_tests(
        [(question.features, question.distance) for question in questions], labels
    )
    results = [_result(*pair) for pair in zip(questions, permuted, strict=True)]
    adjusted = holm([result.p_value for result in results])
    return TrafficComparison(
        corpus_rows=corpus.counts,
        traffic_rows=traffic.counts,
        tests=tuple(
            replace(
                result,
                adjusted_p=p,
                alarm=p <= settings.alpha and result.effect >= result.threshold,
            )
            for result, p in zip(results, adjusted, strict=True)
        ),
        far_rows=_far_rows(vectors, theirs, labels),
        notes=(*notes, *alike_notes, *_shared(ours, theirs)),
    )


def in_languages(sampled: Sampled, languages: Sequence[str], languages_of: LanguagesOf) -> Sampled:
    """Return the rows in some languages: what the spec of a corpus leaves out on purpose is no drift."""
    identified = languages_of([asked_text(row) for row in sampled.rows])
    rows = tuple(
        row for row, language in zip(sampled.rows, identified, strict=True) if language in languages
    )
    left_out = sampled.counts.left_out | {"language": len(sampled.rows) - len(rows)}
    return Sampled(rows, replace(sampled.counts, left_out=left_out, compared=len(rows)))


def permutations_needed(settings: DriftSettings) -> int:
    """Return how many permutations: so many at least that four times the smallest p-value is below alpha."""
    return max(settings.permutations, int(np.ceil(2 * TESTS / settings.alpha)))


def _vectors(rows: Sequence[DriftRow]) -> NDArray[np.float32]:
    """Answers are often long and alike (JSON), so what was asked has a part of its own."""
    parts = [trigrams([text_without_answers(row) for row in rows])]
    if has_answers(rows):
        parts.append(trigrams([text_of_answers(row) for row in rows]))
    return with_squares(parts)


def _questions(
    rows: Sequence[DriftRow],
    labels: Labels,
    settings: DriftSettings,
    tokens: TokenReader,
    languages_of: LanguagesOf,
    vectors: NDArray[np.float32],
) -> tuple[_Question, ...]:
    limits = settings.thresholds
    languages, names = categories(languages_of([asked_text(row) for row in rows]))
    ids = tokens.ids([whole_text(row) for row in rows])
    lengths = [len(row) for row in ids]
    by_length, positions = octaves(lengths)
    counts, counted_ids = token_counts(ids)

    def moved_tokens() -> tuple[Shift, ...]:
        return _moved(
            counts,
            labels,
            lambda place: _shown(int(counted_ids[place]), tokens),
            keep=_SHIFTS_SHOWN,
        )

    return (
        _Question(
            "languages",
            "bits",
            limits.languages,
            languages,
            jensen_shannon,
            lambda: _moved(languages, labels, names.__getitem__, keep=_SHIFTS_SHOWN),
        ),
        _Question(
            "lengths",
            "octaves",
            limits.lengths,
            by_length,
            wasserstein(positions),
            lambda: _quantiles(np.array(lengths), labels),
        ),
        _Question("tokens", "bits", limits.tokens, counts, jensen_shannon, moved_tokens),
        _Question(
            "n-grams",
            SQUARED,
            limits.ngrams,
            Dense(vectors),
            mean_discrepancy,
            lambda: (),
        ),
    )


def _result(question: _Question, permuted: Permuted) -> TestResult:
    return TestResult(
        name=question.name,
        unit=question.unit,
        statistic=permuted.statistic,
        chance=permuted.chance,
        threshold=question.threshold,
        p_value=permuted.p_value,
        adjusted_p=permuted.p_value,
        alarm=False,
        shifts=question.shifts(),
    )


def _moved(
    features: Features, labels: Labels, name: Callable[[int], str], *, keep: int
) -> tuple[Shift, ...]:
    """Return the features that add most to the divergence, with their shares before and after."""
    sums = group_sums(features, labels)
    traffic, corpus = sums.traffic[0], sums.corpus[0]
    adds = contributions(traffic, corpus)
    most = [int(place) for place in np.argsort(-adds, kind="stable")[:keep] if adds[place] > 0.0]
    return tuple(
        Shift(
            what=name(place),
            before=float(corpus[place] / corpus.sum()),
            after=float(traffic[place] / traffic.sum()),
        )
        for place in most
    )


def _quantiles(lengths: NDArray[np.int64], labels: Labels) -> tuple[Shift, ...]:
    before, after = lengths[~labels.traffic], lengths[labels.traffic]
    return tuple(
        Shift(
            what=f"p{100 * quantile:g}",
            before=float(np.quantile(before, quantile)),
            after=float(np.quantile(after, quantile)),
        )
        for quantile in _QUANTILES
    )


def _far_rows(
    vectors: NDArray[np.float32], traffic: Sequence[DriftRow], labels: Labels
) -> tuple[str, ...]:
    """Return the traffic rows with the highest witness function (Gretton et al. 2012, section 2.3)."""
    plain = vectors[:, :-1]
    theirs = plain[labels.traffic]
    witness: Floats = theirs @ (theirs.mean(axis=0) - plain[~labels.traffic].mean(axis=0))
    farthest = np.argsort(-witness, kind="stable")[:_FAR_ROWS_SHOWN]
    return tuple(traffic[int(place)].id for place in farthest)


def _shown(token_id: int, tokens: TokenReader) -> str:
    return "all others" if token_id == REST else tokens.shown(token_id)


def _alike(
    corpus: Sequence[DriftRow], traffic: Sequence[DriftRow]
) -> tuple[Sequence[DriftRow], Sequence[DriftRow], tuple[str, ...]]:
    """A log of requests, held against a corpus of conversations, would differ by the answers it lacks."""
    answered = has_answers(corpus), has_answers(traffic)
    if answered[0] == answered[1] or (answered[1] and all(map(is_text, corpus))):
        return corpus, traffic, ()
    side = "traffic" if answered[0] else "corpus"
    note = f"the {side} holds no answers, so only what was asked is compared"
    return (
        [row for row in without_answers(corpus) if not row.is_empty],
        [row for row in without_answers(traffic) if not row.is_empty],
        (note,),
    )


def refuse_alpha(alpha: float) -> None:
    """Refuse a false-alarm rate that is none, NaN included.

    Raises:
        InputError: naming it.
    """
    if not 0.0 < alpha < 1.0:
        raise InputError(
            "alpha is a probability between 0 and 1",
            where=str(alpha),
            next_step="choose e.g. --alpha 0.01",
        )


def _shared(corpus: Sequence[DriftRow], traffic: Sequence[DriftRow]) -> tuple[str, ...]:
    """Say where many rows stand on both sides: they make the sides more alike than samples are."""
    corpus_contents = {row.parts for row in corpus}
    shared = sum(row.parts in corpus_contents for row in traffic)
    if shared < _MANY_SHARED * min(len(corpus), len(traffic)):
        return ()
    return (
        f"{shared:,} of the compared traffic rows stand in the corpus as well, which hides drift",
    )


def _refuse_too_little(corpus: Sampled, traffic: Sampled, settings: DriftSettings) -> None:
    refuse_alpha(settings.alpha)
    for side, sample in (("corpus", corpus), ("traffic", traffic)):
        if len(sample.rows) < FEWEST_ROWS:
            raise InputError(
                f"{len(sample.rows)} distinct rows with content are too few to compare",
                where=side,
                next_step=f"give at least {FEWEST_ROWS}; a few hundred see what matters",
            )
