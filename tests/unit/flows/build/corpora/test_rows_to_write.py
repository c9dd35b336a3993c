"""Rows of a build's traffic to write items from."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from quantgate.flows.build import units
from quantgate.flows.build.corpora import rows_to_write as rows_module
from quantgate.flows.build.corpora.rows_to_write import rows_to_write
from quantgate.flows.build.local_build import LocalBuild
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision, Verdict
from tests.support.builds.faked import faked_build
from tests.support.builds.walking import evidence_of
from tests.support.fakes import FakeBackend, FakeRuntime


def open_build(tmp_path: Path, asked: Sequence[str]) -> tuple[LocalBuild, dict[str, Verdict]]:
    """A build whose second variant is inconclusive, and traffic that asks these questions."""
    tmp_path.mkdir(exist_ok=True)
    file = tmp_path / "traffic.jsonl"
    rows = ({"messages": [{"role": "user", "content": text}]} for text in asked)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    runtime = FakeRuntime(wrong={"Q2_K": {"i0", "i1"}})
    build = faked_build(tmp_path, FakeBackend(), runtime)
    policy = Policy(reference_runs=1)
    build = replace(build, plan=replace(build.plan, policy=policy, traffic=(file,)))
    variant = build.plan.variants[1]
    units.build_files(build, variant)
    verdict = evidence_of(build, variant).verdict
    assert verdict.decision is Decision.INCONCLUSIVE
    return build, {variant.identifier: verdict}


def test_rows_of_the_traffic_that_no_suite_asks_yet_are_named_for_every_open_scope(
    tmp_path: Path,
) -> None:
    build, verdicts = open_build(tmp_path, [])
    question = build.plan.suite.items[0].messages[-1].content
    build, verdicts = open_build(tmp_path / "again", [question, f"{question} again", "zzz"])
    rows_by_scope = rows_to_write(build, verdicts)
    assert rows_by_scope
    for (variant, _), rows in rows_by_scope.items():
        assert variant in verdicts
        assert rows.file == str(build.plan.traffic[0])
        assert question not in [row.text for row in rows.rows]


def test_a_build_without_traffic_or_with_a_large_file_names_none(tmp_path: Path) -> None:
    build, verdicts = open_build(tmp_path, ["where is it"])
    bare = replace(build, plan=replace(build.plan, traffic=(tmp_path / "gone.jsonl",)))
    assert rows_to_write(bare, verdicts) == {}
    with build.plan.traffic[0].open("ab") as file:
        file.truncate(rows_module.MOST_BYTES + 1)
    assert rows_to_write(build, verdicts) == {}
    assert rows_to_write(build, {}) == {}
