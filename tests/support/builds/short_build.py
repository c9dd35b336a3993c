"""A build on a suite of short items, for checkpoints that can say nothing."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.planning.plans import make_plan
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.specs.builds import BuildOverrides, load_build
from tests.support.builds.site import silent

ITEMS = 12
_TOKENS = 4
"""Random checkpoints repeat themselves, and an audit looks for loops in longer answers."""


def short_site(
    folder: Path,
    model: Path,
    recipes: Sequence[str] = (),
    *,
    expansion: str | None = None,
    foreign: Sequence[str] = (),
) -> LocalBuild:
    """Return a planned build of a checkpoint on twelve items, of which whatever is said is right.

    `expansion` is why a low-bit checkpoint is expanded, `foreign` are places of quants that others made.
    """
    _write_inputs(folder)
    file = folder / "build.yaml"
    expand = f"expand: {expansion}\n" if expansion else ""
    file.write_text(
        f"name: short\nmodel: {model}\nsuite: suite\ncorpus: corpus.yaml\npolicy: policy.yaml\n"
        f"recipes: [{', '.join(recipes)}]\nforeign: {json.dumps([*foreign])}\n{expand}"
    )
    settings = replace(
        Settings.from_environment(), store=Store(root=folder / "store"), threads=1, workers=1
    )
    tools = wire(settings)
    spec = replace(load_build(file, BuildOverrides(), ()), anyway=True)
    plan = make_plan(spec, settings, tools, lambda _: None)
    return LocalBuild(plan=plan, settings=settings, tools=tools, show=silent)


def _write_inputs(folder: Path) -> None:
    """Write twelve short items, a corpus of texts like them, and a policy of two reference runs."""
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
