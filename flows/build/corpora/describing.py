"""The corpora of a build as its page describes them: card, effective use, contamination, lacks, drift.

All of it was worked out before, while planning or since, and is read from the store.
"""

from collections.abc import Iterator

from quantgate.calibration.checks.effective_use import calibrated
from quantgate.calibration.checks.findings import coverage_of, overlap_of, use_of
from quantgate.calibration.checks.wording import contamination_text, lack_text
from quantgate.calibration.drift.results import DriftRecord
from quantgate.calibration.shelf.card import DataCard
from quantgate.calibration.shelf.card_page import funnel
from quantgate.calibration.shelf.sealing import read_card
from quantgate.flows.build.local_build import LocalBuild
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.files.sealed import is_sealed, read_sealed
from quantgate.pipelines.report.corpus_notes import (
    CorpusNotes,
    CorpusSource,
    CorpusUse,
    TrafficNote,
)

_UNSEARCHED = "nobody looked for personal data"


def corpora_notes(build: LocalBuild) -> tuple[CorpusNotes, ...]:
    """Describe every corpus of a build.

    Raises:
        InputError: where a corpus was altered since it was sealed.
    """
    return tuple(_notes(build, corpus) for corpus in build.plan.corpora)


def _notes(build: LocalBuild, corpus: Corpus) -> CorpusNotes:
    plan, store = build.plan, build.settings.store
    card = read_card(corpus)
    copies = overlap_of(corpus, plan.suite, store, build.settings.threads).found
    return CorpusNotes(
        label=corpus.label,
        digest=corpus.digest,
        description=card.description if card else "",
        licence=card.licence if card else "",
        funnel=tuple(funnel(card)) if card else (),
        sources=tuple(_sources(card)) if card else (),
        languages=tuple(card.languages.items()) if card else (),
        redaction=_redaction(card) if card else _UNSEARCHED,
        uses=tuple(_uses(build, corpus)),
        compared_items=len(plan.suite.items),
        copies=tuple(map(contamination_text, copies)),
        lacks=tuple(map(lack_text, coverage_of(corpus, plan.suite, store).lacks)),
        drifts=tuple(_drifts(build, corpus)),
    )


def _sources(card: DataCard) -> Iterator[CorpusSource]:
    for source in card.sources:
        yield CorpusSource(
            name=source.name,
            licence=source.licence,
            rows=source.rows,
            sequences=source.sequences,
        )


def _redaction(card: DataCard) -> str:
    report = card.redaction
    if report is None:
        return _UNSEARCHED
    what = "replaced" if report.options.mode == "enforce" else "left as it is"
    names = "" if report.names_looked_for else "; names of people and places were not looked for"
    return (
        f"{report.finding_count:,} findings in {report.sequences_with_findings:,} of {report.sequences:,}"
        f" sequences, {what}{names}"
    )


def _uses(build: LocalBuild, corpus: Corpus) -> Iterator[CorpusUse]:
    plan = build.plan
    recipes = [v.recipe for v in plan.variants if plan.corpus_of(v) == corpus]
    for recipe in calibrated(tuple(recipes)):
        use = use_of(
            corpus,
            recipe,
            build.chat,
            context_length_tokens=plan.checkpoint.context_length_tokens,
            scratch=build.scratch,
        ).use
        yield CorpusUse(
            recipe=recipe.name,
            backend=use.backend,
            wanted_tokens=use.wanted_tokens,
            tokens=use.tokens,
            sequences=use.sequences,
            note=use.note or "",
        )


def _drifts(build: LocalBuild, corpus: Corpus) -> Iterator[TrafficNote]:
    """Comparisons of this corpus that were sealed in this store, the newest first."""
    folders = (build.settings.store.root / "drift").glob(f"{corpus.label}--*")
    records = [read_sealed(each, DriftRecord).record for each in folders if is_sealed(each)]
    for record in sorted(records, key=lambda each: each.compared_at, reverse=True):
        if record.corpus_digest == corpus.digest:
            yield TrafficNote(
                traffic=record.traffic,
                compared_at=record.compared_at,
                drifted=record.comparison.drifted,
                distance=record.comparison.distance,
                moved=tuple(test.name for test in record.comparison.tests if test.alarm),
            )
