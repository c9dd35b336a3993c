"""Versions in a table: what they were sorted by can be seen."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.cli.views.version import show_versions
from quantgate.pipelines.files.store import Store
from quantgate.registry import RegisteredVersion
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.facts import SpeedFacts
from tests.support.registered.registries import Sample, evidence_of


def _version(store: Store, number: str, ratio: float | None) -> RegisteredVersion:
    facts = replace(version_facts(evidence_of(Sample(), store)), speed=SpeedFacts(ratio=ratio))
    return RegisteredVersion(model="demo", version=number, aliases=(), run_id="r", facts=facts)


def test_speeds_are_a_column_where_any_version_was_timed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(root=tmp_path)
    timed, untimed = _version(store, "2", 1.374), _version(store, "1", None)
    show_versions((timed, untimed))
    head, first, second = (line.split() for line in capsys.readouterr().out.splitlines())
    assert head[-2:] == ["speed", "suite"]
    assert (first[-2], second[-2]) == ("1.37×", "–")
    show_versions((untimed,))
    assert "speed" not in capsys.readouterr().out
