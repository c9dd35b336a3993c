"""A comparison is made once, sealed, and above the thresholds leaves one event; the command says all that."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from quantgate.calibration.drift.baseline import Baseline, RowRules
from quantgate.calibration.drift.results import DriftRecord, DriftSettings
from quantgate.calibration.drift.rows import DriftRow, corpus_rows
from quantgate.calibration.drift.sealing import (
    EVENT,
    DriftRequest,
    drift_folder,
    event_of,
    measure_drift,
    seal_event,
    sealed_events,
)
from quantgate.calibration.drift.tokens import WordReader
from quantgate.calibration.specs.corpus import Filters
from quantgate.flows.cli.corpus.drift import (
    DriftOptions,
    as_json,
    drift_command,
)
from quantgate.flows.cli.views.drift import drift_lines
from quantgate.flows.orchestration.events.drift import drifted, metrics, registered
from quantgate.flows.orchestration.events.sending import emit
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.corpus import Corpus, CorpusSequence
from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.files.store import Store

SETTINGS = DriftSettings(alpha=0.05, permutations=1)
SUBJECTS = ("order", "parcel", "invoice", "refund")


def _said(number: int) -> str:
    subject = SUBJECTS[number * 7919 % 11 % 4]
    code = number * 7919 % 90000 + 10000
    return f"where is the {subject} that I paid for in week {number % 9}, number {code}"


def _sequences(count: int) -> list[CorpusSequence]:
    return [CorpusSequence(id=f"c-{n}", text=_said(1003 + n)) for n in range(count)]


def _traffic(folder: Path, rows: int = 80, german: int = 0) -> Path:
    texts = [_said(n) for n in range(rows)]
    texts[:german] = [
        f"wo bleibt denn meine Bestellung von letzter Woche, die Nummer ist {n}"
        for n in range(german)
    ]
    path = folder / f"traffic-{german}.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def _languages_of(texts: Sequence[str]) -> list[str]:
    """Enough for what this file says."""
    return ["de" if "Bestellung" in text else "en" for text in texts]


def _request(traffic: Path) -> DriftRequest:
    return DriftRequest(
        corpus=Corpus(
            name="support",
            version=2,
            digest=digest_of("support"),
            sequence_count=80,
            folder=traffic.parent,
        ),
        baseline=Baseline(rows=tuple(corpus_rows(_sequences(80)))),
        traffic=traffic,
        traffic_name="monday",
        settings=SETTINGS,
        tokens=WordReader(),
        languages_of=_languages_of,
    )


class _NoTokens:
    """Named like words, and never to be asked."""

    name = WordReader().name

    def ids(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        raise AssertionError("compared again")

    def shown(self, token_id: int) -> str:
        raise AssertionError("compared again")


def test_the_same_comparison_is_made_once(tmp_path: Path, store: Store) -> None:
    request = _request(_traffic(tmp_path))
    record = measure_drift(request, store)
    assert measure_drift(replace(request, tokens=_NoTokens()), store) == record
    renamed = request.traffic.rename(tmp_path / "elsewhere.jsonl")
    again = replace(request, traffic=renamed, tokens=_NoTokens())
    assert measure_drift(again, store) == record
    assert (record.corpus, record.traffic, record.tokenizer) == ("support@2", "monday", "words")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that makes another comparison."""

    what: str
    request: DriftRequest


def test_another_corpus_traffic_setting_or_rule_is_another_comparison(
    tmp_path: Path, store: Store
) -> None:
    request = _request(_traffic(tmp_path))
    known = measure_drift(request, store).key
    rules = RowRules(filters=Filters(min_characters=2))
    others = [
        replace(request, corpus=replace(request.corpus, digest=digest_of("other"))),
        replace(request, traffic=_traffic(tmp_path, rows=81)),
        replace(request, settings=replace(SETTINGS, alpha=0.04)),
        replace(request, baseline=replace(request.baseline, key="thinned")),
        replace(request, baseline=replace(request.baseline, rules=rules)),
    ]
    keys = [measure_drift(other, store).key for other in others]
    assert len({known, *keys}) == 6


def test_drift_leaves_one_event_and_its_absence_none(tmp_path: Path, store: Store) -> None:
    calm = measure_drift(_request(_traffic(tmp_path)), store)
    assert event_of(calm) is None
    moved = measure_drift(_request(_traffic(tmp_path, german=20)), store)
    event = event_of(moved)
    assert event is not None
    assert (event.event, event.corpus, event.corpus_name) == (EVENT, "support@2", "support")
    assert "languages" in event.alarms
    assert event.result == moved.key
    assert seal_event(event, store) == seal_event(event, store)
    assert sealed_events(store) == (event,)
    assert event_of(moved) == event  # the same id: whoever counts events counts one


def test_traffic_goes_through_redaction_before_it_is_compared(tmp_path: Path, store: Store) -> None:
    """Without it, what was replaced in the corpus would be drift."""
    sequences = [
        replace(one, text=one.text.partition(", number")[0] + ", number <ID>")
        for one in _sequences(80)
    ]
    request = replace(
        _request(_traffic(tmp_path)), baseline=Baseline(rows=tuple(corpus_rows(sequences)))
    )

    def redact(rows: Sequence[DriftRow]) -> Sequence[DriftRow]:
        return [
            DriftRow(
                row.id, (("text", row.parts[0][1].partition(", number")[0] + ", number <ID>"),)
            )
            for row in rows
        ]

    assert measure_drift(request, store).comparison.drifted
    other = replace(request, redact=redact, settings=replace(SETTINGS, most_rows=79))
    assert not measure_drift(other, store).comparison.drifted


def _moved(tmp_path: Path, store: Store) -> DriftRecord:
    return measure_drift(_request(_traffic(tmp_path, german=20)), store)


def test_people_read_the_decision_first_and_what_moved(tmp_path: Path, store: Store) -> None:
    text = list(drift_lines(_moved(tmp_path, store)))
    assert text[0] == "monday has drifted away from corpus support@2"
    assert any("'de' 0.00 % -> 25.00 %" in line for line in text)
    calm = list(drift_lines(measure_drift(_request(_traffic(tmp_path)), store)))
    assert calm[0] == "monday is still what went into corpus support@2"
    assert not any("DRIFT" in line for line in calm)


def test_programs_read_the_decision_the_effects_and_the_whole_record(
    tmp_path: Path, store: Store
) -> None:
    record = _moved(tmp_path, store)
    document = json.loads(json.dumps(as_json(record)))
    assert document["drift"] is True
    assert set(document["effects"]) == {"languages", "lengths", "tokens", "n-grams"}
    assert document["comparison"]["tests"][0]["shifts"][0]["what"] == "de"
    found = registered(record)
    assert (found.decision, found.corpus_digest) == ("drift", digest_of("support"))
    assert metrics(record)["languages/effect"] == pytest.approx(document["effects"]["languages"])


def test_an_event_is_prefects_and_carries_all_a_flow_needs(tmp_path: Path, store: Store) -> None:
    event = event_of(_moved(tmp_path, store))
    assert event is not None
    sent = drifted(event).document
    assert sent["event"] == "calibration.drifted"
    resource = sent["resource"]
    assert isinstance(resource, dict)
    assert resource["prefect.resource.id"] == "quantgate.corpus.support"
    payload = sent["payload"]
    assert isinstance(payload, dict)
    assert payload["corpus_digest"] == digest_of("support")
    assert payload["alarms"] == list(event.alarms)


def _settings(store: Store, **environment: str) -> Settings:
    return Settings.from_environment({"QUANTGATE_STORE": str(store.root), **environment})


def test_without_a_prefect_server_the_sealed_event_is_all_there_is(
    tmp_path: Path, store: Store
) -> None:
    event = event_of(_moved(tmp_path, store))
    assert event is not None
    assert emit(drifted(event), _settings(store)) is None


def test_a_configured_server_that_does_not_answer_is_a_transient_error(
    tmp_path: Path, store: Store
) -> None:
    event = event_of(_moved(tmp_path, store))
    assert event is not None
    with pytest.raises(ServiceError, match="does not answer") as caught:
        emit(drifted(event), _settings(store, PREFECT_API_URL="http://127.0.0.1:9/api"))
    assert caught.value.transient


def test_the_command_refuses_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path / "store"))
    with pytest.raises(Exception, match="there is no corpus 'support'"):
        drift_command(DriftOptions(corpus="support", traffic=str(_traffic(tmp_path))))


def test_a_sealed_comparison_lies_below_its_corpus(tmp_path: Path, store: Store) -> None:
    record = _moved(tmp_path, store)
    folder = drift_folder("support@2", record.key, store)
    assert folder.name == f"support@2--{record.key[:16]}"
    assert (folder / "manifest.json").is_file()


def test_too_little_traffic_seals_nothing(tmp_path: Path, store: Store) -> None:
    with pytest.raises(InputError, match="too few"):
        measure_drift(_request(_traffic(tmp_path, rows=5)), store)
    assert not list((store.root / "drift").glob("support*"))
