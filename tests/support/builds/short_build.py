"""A whole build from the command line on a suite of short items, for checkpoints that can say nothing."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.builds.road import Road, orchestrated

ITEMS = 12
_TOKENS = 4
"""Random checkpoints repeat themselves, and an audit looks for loops in longer answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortBuild:
    """What a build said: its result, and the road on which more can be asked of it."""

    road: Road
    result: dict[str, Any]

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The variants by recipe."""
        return {str(row["recipe"]["name"]): row for row in self.result["variants"]}


def short_build(
    folder: Path, model: Path, *options: str, variables: tuple[tuple[str, str], ...] = ()
) -> ShortBuild:
    """Build, judge and record variants of a checkpoint on twelve items, which prove nothing.

    Whatever is said is right. `variables` are added to the command's environment.
    """
    _write_inputs(folder)
    road = Road(folder=folder, store=folder / "store", variables=variables)
    road = orchestrated(road)
    finished = road.run(
        *("quantize", str(model), "--suite", str(folder / "suite")),
        *("--corpus", str(folder / "corpus.yaml"), "--policy", str(folder / "policy.yaml")),
        *("--anyway", "--json", *options),
    )
    assert finished.returncode in (0, 11), finished.stderr
    return ShortBuild(road=road, result=json.loads(finished.stdout))


def audited_and_judged(build: ShortBuild, names: set[str]) -> None:
    """Hold that every variant passed its audit, answered every item, and has a verdict."""
    assert build.result["base_failures"] == []
    assert set(build.rows) == names
    for name, row in build.rows.items():
        assert row["failure"] is None, (name, row["failure"])
        misses = [finding for finding in row["audit"]["findings"] if not finding["passed"]]
        assert misses == [], (name, misses)
        assert row["verdict"]["whole"]["items"] == ITEMS
        assert row["decision"] in ("pass", "inconclusive"), (name, row["decision"])


def _write_inputs(folder: Path) -> None:
    suite = folder / "suite"
    suite.mkdir(parents=True)
    items = (
        {
            "id": f"item-{number}",
            "prompt": f"Say {number}.",
            "expected": r"[\s\S]*",
            "slices": ["numbers"],
        }
        for number in range(ITEMS)
    )
    (suite / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (suite / "suite.yaml").write_text(
        "name: numbers\nversion: 1\ndescription: whatever is said is right\n"
        f"grader: {{kind: regex}}\ndecode: {{max_tokens: {_TOKENS}, temperature: 0.0}}\n"
        "slices:\n  numbers: {description: all of them}\n"
    )
    rows = ({"text": f"Order {number} was sent on Monday, wasn't it?"} for number in range(64))
    (folder / "traffic.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "corpus.yaml").write_text(
        "name: orders\nsequences: 16\nsources:\n  - path: traffic.jsonl\n"
    )
    (folder / "policy.yaml").write_text("reference_runs: 2\n")
