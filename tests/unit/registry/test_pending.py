"""Registrations that wait in the store: as they were judged, wherever the store lies then."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.files.store import Store
from quantgate.registry import Tracking, record
from quantgate.registry.recording.pending import forget, queue, waiting, waiting_elsewhere
from tests.support.registered.registries import MemoryRegistry, Sample, evidence_of, tracking_in

DOWN = ServiceError("MLflow does not answer", transient=True)


def test_what_waits_is_registered_as_it_was_judged(tmp_path: Path) -> None:
    tracking = tracking_in(tmp_path / "store")
    evidence = evidence_of(Sample(), tracking.store)
    corpus = Corpus(
        name="support-traffic",
        version=1,
        folder=tmp_path / "corpus",
        digest=digest_of("support-traffic@1"),
        sequence_count=3,
    )
    queue(evidence, corpus, tracking, DOWN)
    queue(evidence, corpus, tracking, DOWN)
    (registration,) = waiting(tracking)
    assert registration.evidence == evidence
    assert registration.corpus == corpus
    assert registration.reason == DOWN.what
    direct, later = MemoryRegistry(), MemoryRegistry()
    first = record(evidence, tracking, open_registry=direct.open)
    assert record(registration.evidence, tracking, open_registry=later.open) == first
    assert later.models["support-llama"].keys() == direct.models["support-llama"].keys()
    forget(evidence.key, tracking)
    assert list(waiting(tracking)) == []


def test_what_waits_in_a_store_that_was_moved_names_the_files_where_they_lie(
    tmp_path: Path,
) -> None:
    before = tracking_in(tmp_path / "before")
    queue(evidence_of(Sample(), before.store), None, before, DOWN)
    uri = "http://127.0.0.1:9"
    there = Tracking.resolve(before.store, uri=uri)
    queue(evidence_of(Sample(), before.store), None, there, DOWN)
    (tmp_path / "before").rename(tmp_path / "now")
    now = Tracking.resolve(Store(root=tmp_path / "now"), uri=uri)
    (registration,) = waiting(now)
    assert registration.evidence.variant.folder.is_relative_to(tmp_path / "now")
    record(registration.evidence, now, open_registry=MemoryRegistry().open)


def test_each_registry_has_its_own_queue_whatever_the_password(tmp_path: Path) -> None:
    store = tracking_in(tmp_path / "store").store
    one = Tracking.resolve(store, uri="http://ada:old-password@127.0.0.1:9")
    renewed = Tracking.resolve(store, uri="http://ada:new-password@127.0.0.1:9")
    other = Tracking.resolve(store, uri="http://127.0.0.1:10")
    queue(evidence_of(Sample(), store), None, one, DOWN)
    assert [each.reason for each in waiting(renewed)] == [DOWN.what]
    assert list(waiting(other)) == []
    assert (waiting_elsewhere(renewed), waiting_elsewhere(other)) == (0, 1)
    (file,) = (tmp_path / "store" / "pending").iterdir()
    assert "old-password" not in file.read_text()


def test_they_are_in_the_order_in_which_they_were_queued(tmp_path: Path) -> None:
    tracking = tracking_in(tmp_path / "store")
    for recipe in ("Q8_0", "Q2_K", "IQ1_M"):
        queue(evidence_of(replace(Sample(), recipe=recipe), tracking.store), None, tracking, DOWN)
    moments = [(each.queued_at, each.evidence.key) for each in waiting(tracking)]
    assert len(moments) == 3
    assert moments == sorted(moments)


def test_an_edited_registration_is_refused(tmp_path: Path) -> None:
    tracking = tracking_in(tmp_path / "store")
    queue(evidence_of(Sample(), tracking.store), None, tracking, DOWN)
    (file,) = (tmp_path / "store" / "pending").iterdir()
    file.write_text(file.read_text().replace("support-llama--Q4", "support-llama--Q5"))
    with pytest.raises(InputError, match="was edited"):
        list(waiting(tracking))
