"""Champions in the real MLflow: moved with a reason, rolled back, retired, waived; by many at once."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.registry import (
    Alias,
    Decider,
    Tracking,
    VersionName,
    record,
    retire,
    rollback,
    still_recorded,
    waive,
)
from quantgate.registry.champions.changes import recorded_changes
from quantgate.registry.champions.judged import on_suite
from quantgate.registry.opening import open_mlflow
from quantgate.registry.seals import SealState, seal_state
from tests.support.project import PROJECT
from tests.support.registered.registries import (
    SUITE,
    Sample,
    evidence_of,
    other_digest,
    tracking_in,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

BY = Decider(reason="answers slowly in production", who="Ada")
BILLING = replace(SUITE, name="billing", version=1, digest=other_digest("billing"))


def test_a_champion_moves_on_purpose_and_what_moved_it_is_kept(tracking: Tracking) -> None:
    model = f"desk-{tracking.store.root.parent.name}"
    suite = replace(SUITE, name=f"suite-{model}"[:60])
    sample = Sample(model=model, suite=suite)
    registry, alias = open_mlflow(tracking), Alias(model=model, suite=suite.name)

    def put(**what: object) -> str | None:
        evidence = evidence_of(replace(sample, **what), tracking.store)  # type: ignore[arg-type]
        receipt = record(evidence, tracking)
        assert still_recorded(receipt, tracking)
        return receipt.version

    def champions() -> dict[str, str]:
        return dict(registry.aliases(model) or {})

    assert put(base="one", size_bytes=1000) == "1"
    assert put(base="two", size_bytes=5000) == "2"
    assert put(base="two", size_bytes=4000, recipe="Q2_K") == "3"
    assert put(base="one", size_bytes=1000) == "1"
    assert champions() == {suite.name: "3"}

    assert rollback(alias, tracking, by=BY).after == "2"
    put(base="two", size_bytes=4000, recipe="Q2_K")
    assert champions() == {suite.name: "2"}
    (change,) = retire(VersionName(model=model, number="2"), tracking, by=BY)
    assert change.after is None
    assert champions() == {}
    rollback(alias, tracking, by=BY, to="3")
    assert put(base="two", size_bytes=4000, recipe="Q2_K", suite=BILLING) == "3"
    assert champions() == {suite.name: "3", "billing": "3"}

    newer = replace(suite, version=4, digest=other_digest(model))
    assert (
        put(base="two", size_bytes=4000, recipe="Q2_K", suite=newer, decision=Decision.FAIL) is None
    )
    assert champions() == {"billing": "3"}
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    waive(VersionName(model=model, number="3", suite=suite.name), tracking, by=BY, until=tomorrow)
    assert champions() == {suite.name: "3", "billing": "3"}

    (version,) = (each for each in registry.versions(model, {}) if each.number == "3")
    for name in (suite.name, "billing"):
        seen = on_suite(version.tags, name)
        assert seen is not None
        assert seal_state(seen) is SealState.HOLDS
    notes = recorded_changes(registry.model_tags(model) or {}, suite.name)
    assert [note.change.after for note in notes] == ["1", "2", "3", "2", None, "3", None, "3"]
    assert [note.requested for note in notes] == [n in (3, 5) for n in range(8)]


RECORD = """
import json, sys
from dataclasses import replace
from pathlib import Path
from quantgate.pipelines.files.store import Store
from quantgate.registry import Tracking, record
from quantgate.registry.mlflow import client
from tests.support.registered.registries import Sample, evidence_of
tracking = Tracking.resolve(Store(root=Path(sys.argv[1])), uri=sys.argv[2])
order = int(sys.argv[3])
sizes = [5000, 4000, 3000, 2000]
print("ready", flush=True)
sys.stdin.readline()
versions = {}
for turn in range(len(sizes)):
    size_bytes = sizes[(turn + order) % len(sizes)]
    sample = Sample(model="crowded", recipe=f"R{size_bytes}", size_bytes=size_bytes)
    versions[size_bytes] = record(evidence_of(sample, tracking.store), tracking).version
print(json.dumps(versions))
"""


@pytest.mark.slow
def test_eight_processes_of_two_stores_leave_one_version_a_variant_and_the_right_alias(
    tmp_path: Path, server: str
) -> None:
    programs = [
        subprocess.Popen(
            [
                *(sys.executable, "-W", "ignore", "-c", RECORD),
                *(str(tmp_path / f"store{number % 2}"), server, str(number)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
        )
        for number in range(8)
    ]
    for program in programs:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("go\n")
        program.stdin.flush()
    told = [json.loads(program.communicate(timeout=600)[0]) for program in programs]
    registry = open_mlflow(Tracking.resolve(tracking_in(tmp_path / "look").store, uri=server))
    held = {version.tags["recipe"]: version.number for version in registry.versions("crowded", {})}
    assert sorted(held) == ["R2000", "R3000", "R4000", "R5000"]
    assert len(registry.versions("crowded", {})) == len(held)
    assert registry.aliases("crowded") == {SUITE.name: held["R2000"]}
    for each in told:
        assert {f"R{size}": version for size, version in each.items()} == held
    runs = registry.tagged_runs("crowded", {})
    assert {run.tags["recipe"] for run in runs} == set(held)
