"""Rows of a build's traffic to write further items from, for each scope that is open.

Only rows that are in no corpus and no suite: an item that a variant was calibrated on proves nothing. Where a
corpus is redacted, rows are named and what is in them is not: a page is sent around.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from quantgate.calibration.shelf.sealing import iterate_sequences, read_card
from quantgate.calibration.sources.traffic import read_traffic
from quantgate.flows.build.local_build import LocalBuild
from quantgate.pipelines.authoring.candidates import SuiteCandidate, Traffic
from quantgate.pipelines.authoring.resembling import Alike, resembling
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.verdicts.verdict import Decision, PairOutcome, Verdict
from quantgate.pipelines.language.words import normalized
from quantgate.pipelines.report.corpus_notes import RowsToWrite, TrafficRow
from quantgate.pipelines.report.remedies.more_items import open_scopes

MOST_BYTES = 20_000_000
"""Larger files are not looked through for a page: `suite mine` does that."""
_SHOWN = 3


def rows_to_write(
    build: LocalBuild, verdicts: Mapping[str, Verdict]
) -> Mapping[tuple[str, str], RowsToWrite]:
    """Return rows by variant and open scope; none where no traffic of the build can be read.

    They resemble the scope's items that broke more than its others, or where none broke, its items more than
    the suite's others.
    """
    scopes = {
        (identifier, scope.name): _alike(build.plan.suite.items, verdict, scope.name)
        for identifier, verdict in verdicts.items()
        if verdict.decision is Decision.INCONCLUSIVE
        for scope in open_scopes(verdict)
    }
    traffic = _fresh(build) if scopes else None
    if traffic is None:
        return {}
    file, candidates = traffic
    is_private = _is_redacted(build)
    return {
        key: RowsToWrite(
            file=str(file),
            rows=tuple(
                TrafficRow(row=each.source, text="" if is_private else each.question)
                for each in resembling(candidates, alike, _SHOWN)
            ),
        )
        for key, alike in scopes.items()
    }


def _alike(items: Sequence[Item], verdict: Verdict, scope: str) -> Alike:
    pairs = {pair.item_id: pair for pair in verdict.items}
    inside = [item for item in items if scope == "all" or scope in item.slices]
    broke = [
        item
        for item in inside
        if (pair := pairs.get(item.id)) and pair.stable and pair.outcome is PairOutcome.BROKE
    ]
    these = broke or inside
    others = inside if broke else items
    ids = {item.id for item in these}
    return Alike(
        these=[_question(item) for item in these],
        others=[_question(item) for item in others if item.id not in ids],
    )


def _fresh(build: LocalBuild) -> tuple[Path, tuple[SuiteCandidate, ...]] | None:
    """The first file of traffic that can be read, and its rows that nobody used."""
    for file in build.plan.traffic:
        read = _read(build, file)
        if read is not None:
            used = {normalized(text) for text in _used(build)}
            return file, tuple(
                each for each in read.candidates if normalized(each.question) not in used
            )
    return None


def _read(build: LocalBuild, file: Path) -> Traffic | None:
    if not file.is_file() or file.stat().st_size > MOST_BYTES:
        return None
    try:
        return read_traffic(file, build.chat, build.plan.checkpoint.context_length_tokens)
    except InputError:  # it changed since, and is no part of any verdict
        return None


def _is_redacted(build: LocalBuild) -> bool:
    cards = (read_card(corpus) for corpus in build.plan.corpora)
    return any(card and card.redaction and card.redaction.options.mode != "off" for card in cards)


def _used(build: LocalBuild) -> Iterator[str]:
    yield from map(_question, build.plan.suite.items)
    for corpus in build.plan.corpora:
        for sequence in iterate_sequences(corpus):
            asked = [message.content for message in sequence.messages if message.role == "user"]
            yield asked[-1] if asked else sequence.text


def _question(item: Item) -> str:
    return item.messages[-1].content if item.messages else ""
