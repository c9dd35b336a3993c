"""A build of two recipes with fakes at its seams: an exam of forty items, and nothing that computes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools
from quantgate.pipelines.domain.suites.suite import (
    DecodeSettings,
    GraderSpec,
    Item,
    Message,
    SliceSpec,
    Suite,
)
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.variants.variant import plan_variant
from tests.support.fakes import FakeBackend, FakeRuntime, fake_checkpoint, fake_loading, fake_rulers


@contextmanager
def silent(step: str, identifier: str) -> Iterator[OnProgress]:
    yield ignore_progress


def suite(count: int = 40) -> Suite:
    items = tuple(
        Item(
            id=f"i{n}",
            messages=(Message(role="user", content=f"question {n}"),),
            expected="right",
            slices=("all",),
        )
        for n in range(count)
    )
    return Suite(
        name="exam",
        version=1,
        description="",
        folder=Path("exam"),
        digest=digest_of(count),
        grader=GraderSpec(kind="exact"),
        decode=DecodeSettings(max_tokens=4),
        slices=(SliceSpec(name="all", description=""),),
        items=items,
    )


def faked_build(tmp_path: Path, backend: FakeBackend, runtime: FakeRuntime) -> LocalBuild:
    settings = replace(
        Settings.from_environment({}), store=Store(root=tmp_path / "store"), threads=1, workers=1
    )
    checkpoint = fake_checkpoint(tmp_path / "model")
    recipes = find_recipes(("Q8_0", "Q2_K"), Path())
    plan = BuildPlan(
        checkpoint=checkpoint,
        suite=suite(),
        policy=Policy(reference_runs=2),
        corpora=(),
        variants=tuple(plan_variant(checkpoint, recipe, None, backend, 1) for recipe in recipes),
        contracts=(),
    )
    tools = Tools(
        backends={"llamacpp": backend},
        runtimes={"llamacpp": runtime, "transformers": FakeRuntime()},
        run_worker=run_worker,
        report_loading=fake_loading,
        measure_rulers=fake_rulers,
    )
    return LocalBuild(plan=plan, settings=settings, tools=tools, show=silent)
