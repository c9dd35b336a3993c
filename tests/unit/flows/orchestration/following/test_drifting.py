"""A look holds corpora against today's traffic; what drifted is news, once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.calibration.drift.sealing import sealed_events
from quantgate.flows.orchestration.following.drifting import check_drift
from quantgate.flows.progress.board import PlainBoard
from quantgate.flows.releases.watch_list import Followed, load_watch_list
from quantgate.flows.settings import Settings
from tests.support.builds.road import make_road


@pytest.fixture
def entry(tmp_path: Path) -> Followed:
    make_road(tmp_path, ("Q8_0",), items_a_slice=2)
    (tmp_path / "traffic.jsonl").write_text(json.dumps({"text": "hello"}) + "\n")
    (tmp_path / "releases.yaml").write_text(
        "follow: [{model: ./model, build: build.yaml, traffic: traffic.jsonl}]\n"
    )
    (followed,) = load_watch_list(tmp_path / "releases.yaml")
    return followed


def look(entry: Followed, folder: Path) -> list[str]:
    said: list[str] = []
    settings = Settings.from_environment({"QUANTGATE_STORE": str(folder / "store")})
    check_drift((entry,), settings, PlainBoard(said.append))
    assert sealed_events(settings.store) == ()
    return said


def test_traffic_is_named_relative_to_the_list(entry: Followed, tmp_path: Path) -> None:
    assert entry.traffic == str(tmp_path / "traffic.jsonl")


def test_a_corpus_that_was_never_assembled_is_held_against_nothing(
    entry: Followed, tmp_path: Path
) -> None:
    assert look(entry, tmp_path) == []


def test_an_entry_without_traffic_is_left_alone(entry: Followed, tmp_path: Path) -> None:
    assert look(replace(entry, traffic=None), tmp_path) == []


def test_an_entry_whose_files_are_wrong_is_left_to_the_look_itself(
    entry: Followed, tmp_path: Path
) -> None:
    (tmp_path / "build.yaml").write_text("recipes: 7\n")
    assert look(entry, tmp_path) == []
