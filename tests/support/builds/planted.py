"""Faults for the audit to find: a finished variant is delivered once more, with one thing wrong with it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.flows.build import units
from quantgate.flows.build.local_build import LocalBuild
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.variant import BuildFacts, Toolchain, ToolVersion, Variant
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.engines.backend import BuildRequest, Built
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.variants.variant import PlannedVariant
from tests.support.builds.walking import audited

Damage = Callable[[Path], BuildFacts | None]
"""Damages a copy of an artifact; returns other facts where the tool would have noticed something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedBackend:
    """A tool that exits 0: it delivers `artifact`, damaged, under the facts of a sound build."""

    fault: str
    artifact: Path
    facts: BuildFacts
    damage: Damage

    def missing(self) -> str | None:
        """Nothing is missing."""
        return None

    def toolchain(self, threads: int) -> Toolchain:
        """Named for the fault, so that every fault is a variant of its own."""
        tools = (ToolVersion(name="planted", version=self.fault),)
        return Toolchain(tools=tools, device="cpu", threads=threads)

    def nearest(self, checkpoint: Checkpoint, recipe: Recipe) -> Recipe | None:
        """Nothing is like it."""
        return None

    def remarks(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        """Nothing is to be said."""
        return ()

    def misfits(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        """Everything fits."""
        del checkpoint, recipe
        return ()

    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        """Copy and damage."""
        del run_worker, on_progress
        copy = request.output
        if self.artifact.is_dir():
            shutil.copytree(self.artifact, copy, dirs_exist_ok=True)
        else:
            copy = request.output / "model.gguf"
            shutil.copyfile(self.artifact, copy)
        return Built(artifact=copy, facts=self.damage(copy) or self.facts)


def planted_audit(
    build: LocalBuild,
    sound: Variant,
    fault: str,
    damage: Damage,
    *,
    artifact: Path | None = None,
) -> AuditReport:
    """Build a variant with one fault where a sound one is wanted, and audit it.

    `artifact` is what is delivered instead of a copy of the sound one.
    """
    planned = build.plan.variant(sound.identifier)
    backend = PlantedBackend(
        fault=fault, artifact=artifact or sound.artifact, facts=sound.facts, damage=damage
    )
    return built_and_audited(build, planned, backend)


def built_and_audited(
    build: LocalBuild, planned: PlannedVariant, backend: PlantedBackend
) -> AuditReport:
    """Take the road of a build with another backend."""
    name = planned.recipe.options.backend
    tools = replace(build.tools, backends={**build.tools.backends, name: backend})
    here = replace(build, tools=tools)
    faulty = replace(planned, toolchain=backend.toolchain(1))
    units.build_files(here, faulty)
    return audited(here, faulty)


def missed(report: AuditReport) -> set[str]:
    """Return the names of the findings that did not pass."""
    return {finding.check for finding in report.misses}


def found(report: AuditReport, check: str) -> str:
    """Return what one finding says that it found."""
    return next(finding.found for finding in report.findings if finding.check == check)
