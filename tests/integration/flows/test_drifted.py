"""Traffic moves away from a corpus: the next look assembles its next version and builds what used the old."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from quantgate.calibration.drift.sealing import sealed_events
from quantgate.pipelines.files.store import Store
from tests.support.builds.road import make_road
from tests.support.project import EXAMPLE

pytestmark = [pytest.mark.integration, pytest.mark.slow]

LOG = EXAMPLE / "traffic" / "messages.jsonl"
OLD, NEW = 400, 300
"""Rows of the log when the first corpus is drawn, and rows of another language that come later."""


def german(number: int) -> str:
    text = (
        f"Guten Tag, wo bleibt denn meine Bestellung Nummer {number}? Sie sollte schon letzte Woche "
        f"ankommen, und niemand antwortet mir auf meine {number % 7 + 2} Nachrichten."
    )
    return json.dumps({"messages": [{"role": "user", "content": text}]})


def test_drift_builds_the_next_version_and_what_was_calibrated_on_the_old_one(
    tmp_path: Path,
) -> None:
    road = make_road(tmp_path, ("Q8_0", "Q4_K_M--imatrix"), items_a_slice=4)
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(LOG.read_text().splitlines()[:OLD]) + "\n")
    corpus = tmp_path / "corpus.yaml"
    corpus.write_text(corpus.read_text().replace(str(LOG), str(log)))
    today = tmp_path / "today.jsonl"
    today.write_text(log.read_text())
    releases = tmp_path / "releases.yaml"
    releases.write_text(
        f"follow: [{{model: {EXAMPLE / 'checkpoint'}, build: build.yaml, traffic: today.jsonl}}]\n"
    )
    look = ("watch", "--once", "--list", str(releases))
    first = road.run(*look)
    assert first.returncode in (0, 10, 11), first.stderr
    assert variants(road.store) == {"Q8_0": 1, "Q4_K_M--imatrix": 1}
    quiet = road.run(*look)
    assert "no drift" in quiet.stderr and "nothing new" in quiet.stderr, quiet.stderr

    moved = "\n".join(german(number) for number in range(NEW)) + "\n"
    today.write_text(moved)
    with log.open("a") as rows:
        rows.write(moved)
    second = road.run(*look)
    assert second.returncode in (0, 10, 11), second.stderr
    assert "traffic has drifted" in second.stderr, second.stderr
    assert "changed: corpus" in second.stderr, second.stderr
    (event,) = sealed_events(Store(root=road.store))
    assert (event.event, event.corpus) == ("calibration.drifted", "support-traffic@1")
    assert (road.store / "corpora" / "support-traffic" / "2" / "manifest.json").is_file()
    assert variants(road.store) == {"Q8_0": 1, "Q4_K_M--imatrix": 2}, "only what used it is built"

    builds = sorted(path.name for path in (road.store / "reports").glob("support-llama--*"))
    compared = road.run("compare", *builds)
    assert compared.returncode == 0, compared.stderr
    passed = set(registered(road.store))
    assert aliased(road.store) <= passed, "a champion is a version that passed"
    third = road.run(*look)  # the next version lags behind too: told, and nothing is built
    assert "registered already" in third.stderr, third.stderr
    assert "nothing new" in road.run(*look).stderr


def variants(store: Path) -> dict[str, int]:
    """Count the sealed variants of each recipe."""
    counted: dict[str, int] = {}
    for manifest in (store / "variants").glob("*/manifest.json"):
        recipe = manifest.parent.name.partition("--")[2].rpartition("--")[0]
        counted[recipe] = counted.get(recipe, 0) + 1
    return counted


def registered(store: Path) -> list[str]:
    with closing(sqlite3.connect(store / "mlflow.db")) as database:
        return [str(row[0]) for row in database.execute("select version from model_versions")]


def aliased(store: Path) -> set[str]:
    with closing(sqlite3.connect(store / "mlflow.db")) as database:
        rows = database.execute("select version from registered_model_aliases").fetchall()
    return {str(row[0]) for row in rows}
