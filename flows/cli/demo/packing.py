"""Makes the demo's file from a real build: `python -m quantgate.flows.cli.demo.packing [BUILD]`.

The build lies in the open store. `make demo-data` runs it and then this.
"""

import importlib.metadata
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from quantgate.flows.build.bases import measured_bases
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.references import reference_plans
from quantgate.flows.build.states.as_planned import build_as_planned
from quantgate.flows.build.units import asking_plan, predicted, sealed_audit
from quantgate.flows.build.verdicts import evidence
from quantgate.flows.cli.demo.contents import (
    EXAMPLE,
    STORE,
    DemoBuild,
    DemoRun,
    DemoVariant,
    write_demo,
)
from quantgate.flows.cli.review import find_plan
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.evaluation.asking import TRANSCRIPT, read_answers
from quantgate.pipelines.evaluation.runs import RunPlan, RunRecord
from quantgate.pipelines.files.moved import moved
from quantgate.pipelines.files.records import from_json, to_json
from quantgate.pipelines.files.sealed import read_manifest
from quantgate.pipelines.files.sealed_values import required
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.pipelines.variants.variant import PlannedVariant
from quantgate.registry import Evidence, Receipt, Tracking, record
from quantgate.registry.champions.changes import this_actor

_SOURCE, _SUITE = "examples/support-desk/checkpoint", "examples/support-desk/suite"


def packed(build: LocalBuild) -> DemoBuild:
    """Return a finished build as the demo keeps it, without a path of this machine.

    Raises:
        InputError: a unit of it is missing or was altered.
    """
    plan = build.plan
    proofs = {each.identifier: _placeless(evidence(build, each)) for each in plan.variants}
    with temporary_folder() as folder:
        receipts = {name: _recorded(proof, folder) for name, proof in proofs.items()}
        registry = _registry(folder, build)
    demo = DemoBuild(
        created_at=datetime.now(UTC).replace(microsecond=0),
        quantgate=importlib.metadata.version("quantgate"),
        checkpoint=replace(plan.checkpoint, source=_SOURCE, folder=STORE / "checkpoint"),
        corpora=plan.corpora,
        suite=replace(plan.suite, folder=STORE / "suite"),
        policy=plan.policy,
        bases=measured_bases(plan, build.settings.store),
        references={
            name: tuple(_run(build, each) for each in reference_plans(build, name))
            for name in plan.runtimes
        },
        variants=tuple(
            _variant(build, each, receipts[each.identifier].version) for each in plan.variants
        ),
        registry=registry,
    )
    root = str(build.settings.store.root.resolve())
    return from_json(DemoBuild, moved(to_json(demo), root, str(STORE)))


def _placeless(proof: Evidence) -> Evidence:
    """What a version says of its source is no folder of this machine; no identity holds it."""
    return replace(proof, checkpoint=replace(proof.checkpoint, source=_SOURCE), report=None)


def _recorded(proof: Evidence, folder: Path) -> Receipt:
    return record(proof, Tracking.resolve(Store(root=folder), environment={}))


def _registry(folder: Path, build: LocalBuild) -> str:
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        text = "\n".join(database.iterdump())
    places = {
        folder.resolve(): str(STORE),
        build.settings.store.root.resolve(): str(STORE),
        build.plan.suite.folder.resolve(): _SUITE,
        Path.cwd(): str(STORE),  # MLflow's default experiment, which nothing is in
    }
    for place, name in places.items():
        text = text.replace(str(place), name)
    return text.replace(this_actor(), "quantgate demo")


def _variant(build: LocalBuild, planned: PlannedVariant, version: str | None) -> DemoVariant:
    return DemoVariant(
        identifier=planned.identifier,
        recipe=planned.recipe,
        variant=build.open(planned),
        audit=required(sealed_audit(build, planned)),
        run=_run(build, required(asking_plan(build, planned)).run),
        registered_version=version,
        prediction=predicted(build, planned),
    )


def _run(build: LocalBuild, plan: RunPlan) -> DemoRun:
    folder = build.suite_runs.folder(plan)
    return DemoRun(
        plan=plan,
        seconds=read_manifest(folder, RunRecord).record.seconds,
        answers=tuple(_counted(answer) for answer in read_answers(folder / TRANSCRIPT)),
    )


def _counted(answer: Answer) -> Answer:
    return replace(answer, token_ids=(), generated_tokens=answer.length_tokens)


def main() -> None:
    """Pack the build that the command line names, by default the only one of the open store."""
    settings = Settings.from_environment()
    plan = find_plan(sys.argv[1] if len(sys.argv) > 1 else "support-llama", settings.store)
    build = build_as_planned(plan, settings, wire(settings, plan.servers))
    write_demo(packed(build))
    print(f"{EXAMPLE}: {EXAMPLE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
