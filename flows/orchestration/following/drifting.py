"""The drift check of a look: an entry's corpora are held against today's traffic."""

from collections.abc import Iterable
from pathlib import Path

from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.flows.build.corpora.finding import find_corpus
from quantgate.flows.build.corpora.traffic import TrafficOptions, compare_traffic
from quantgate.flows.orchestration.events.drift import keep_drift
from quantgate.flows.progress.board import Board
from quantgate.flows.releases.asked import spec_of
from quantgate.flows.releases.watch_list import Followed
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InterruptionError, NotFoundError, QuantgateError


def check_drift(followed: Iterable[Followed], settings: Settings, board: Board) -> None:
    """Compare the corpora of entries that name traffic with it; drift is news of a corpus (`releases.asked`).

    A comparison is made once for the same corpus and traffic. One that cannot be made stops nothing.
    """
    for entry in followed:
        if entry.traffic is None:
            continue
        try:
            corpora = spec_of(entry, "model").corpora
        except QuantgateError:
            continue  # the look itself says what is wrong with the entry
        for path in filter(None, corpora):
            _check(path, entry.traffic, settings, board)


def _check(path: Path, traffic: str, settings: Settings, board: Board) -> None:
    try:
        corpus = _assembled(load_corpus_spec(path).name, settings)
        if corpus is None:
            return  # there is nothing yet that traffic could have moved away from
        record = compare_traffic(corpus, TrafficOptions(traffic=traffic), settings)
        keep_drift(record, corpus, settings)
    except InterruptionError:
        raise
    except QuantgateError as error:
        board.say(f"{path.name}: was not held against traffic: {error}")
        return
    alarms = ", ".join(test.name for test in record.comparison.tests if test.alarm)
    board.say(f"{corpus.label}: {f'traffic has drifted ({alarms})' if alarms else 'no drift'}")


def _assembled(name: str, settings: Settings) -> Corpus | None:
    try:
        return find_corpus(name, settings)
    except NotFoundError:
        return None
