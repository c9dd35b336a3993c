"""One architecture on its way through plan, build and audit, with the program's own tools."""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools, wire
from quantgate.pipelines.audit.bench.base_divergence import BaseComparison
from quantgate.pipelines.audit.bench.bench import AuditBench
from quantgate.pipelines.audit.bench.divergence_causes import divergence_cause
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.checkpoints.tools import CheckpointTools
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Calibration, Format, Recipe
from quantgate.pipelines.domain.verdicts.base_divergence import BaseDivergence
from quantgate.pipelines.engines.backend import BuildRequest, Built
from quantgate.pipelines.engines.contents import gguf_contents
from quantgate.pipelines.engines.loading_report import refuse_incomplete
from quantgate.pipelines.engines.requests import Loadable, ProbeRequest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import RunWorker, ignore_progress
from quantgate.pipelines.specs.recipes import catalogue
from tests.support.architectures.inputs import write_calibration, write_texts
from tests.support.architectures.made import random_checkpoint_of
from tests.support.architectures.names import Architecture
from tests.support.architectures.outcomes import (
    BASE,
    PARTS,
    Attempt,
    BaseAnswer,
    Outcome,
    Tried,
    put_together,
)
from tests.support.architectures.refusals import (
    AUDIT,
    CONVERTER,
    PROGRAM,
    REHEARSAL,
    TOOLS,
    TRANSFORMERS,
    Refused,
    refusing,
)
from tests.support.architectures.sizes import CONTEXT
from tests.support.builds.expectations import unexpected

_SHOWN = 2
_NEAR_TIES = 0.25
_TIES = (
    "all but few stretches are equal: where two random experts are nearly as good, rounding decides"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """The real tools, and a folder for what is made."""

    settings: Settings
    tools: Tools
    folder: Path

    @classmethod
    def at(cls, folder: Path, run_worker: RunWorker) -> "Workplace":
        """Wire the tools as the program does; `run_worker` starts their children."""
        settings = replace(Settings.from_environment(), store=Store(root=folder / "store"))
        tools = replace(wire(settings), run_worker=run_worker)
        return cls(settings=settings, tools=tools, folder=folder)


def outcome_of(architecture: Architecture, workplace: Workplace) -> Outcome:
    """Return what becomes of a small random checkpoint of an architecture.

    Raises:
        InterruptionError, ToolchainError: over this machine. What tools refuse is part of the outcome.
    """
    candidate = Candidate(architecture=architecture, workplace=workplace)
    return put_together(architecture, {part: candidate.tried(part) for part in PARTS})


@dataclass
class Candidate:
    """An architecture whose checkpoint is written once something of it is tried."""

    architecture: Architecture
    workplace: Workplace

    def tried(self, part: str) -> Tried:
        """Return what becomes of a part; see `outcome_of`."""
        trial = self._trial
        if isinstance(trial, Refused) and part == BASE:
            base = BaseAnswer(answer="unmeasured", reason=trial.reason)
            return Tried(parameter_count=0, base=base)
        if isinstance(trial, Refused):
            return Tried(parameter_count=0, attempt=_refused(part, trial))
        count = trial.checkpoint.parameter_count
        if part == BASE:
            return Tried(parameter_count=count, base=trial.base_answer())
        recipe = next(recipe for recipe in catalogue() if recipe.name == part)
        return Tried(parameter_count=count, attempt=trial.attempt(recipe))

    @cached_property
    def _trial(self) -> "Trial | Refused":
        try:
            checkpoint = _checkpoint(self.architecture, self.workplace)
        except Refused as refusal:
            return refusal
        return Trial(workplace=self.workplace, checkpoint=checkpoint)


def _checkpoint(architecture: Architecture, workplace: Workplace) -> Checkpoint:
    with refusing(TRANSFORMERS):
        folder = random_checkpoint_of(
            architecture, workplace.folder / "checkpoints", workplace.tools.run_worker
        )
    with refusing(PROGRAM):
        return resolve_checkpoint(
            str(folder),
            name=architecture.name,
            store=workplace.settings.store,
            hub=workplace.settings.hub,
            tools=CheckpointTools(architectures=workplace.tools.architectures),
        )


@dataclass
class Trial:
    """A checkpoint on its way through plan, build and audit."""

    workplace: Workplace
    checkpoint: Checkpoint

    def attempt(self, recipe: Recipe) -> Attempt:
        """Return how far a recipe comes."""
        try:
            self._plan(recipe)
            self._look_at(recipe, self._build(recipe))
        except Refused as refusal:
            return _refused(recipe.name, refusal)
        return Attempt(recipe=recipe.name)

    def base_answer(self) -> BaseAnswer:
        """Return how far the base in llama.cpp is from the checkpoint itself, and why."""
        try:
            self._convert()
            with refusing(AUDIT):
                comparison = BaseComparison.of(self._bench, "llamacpp", CONTEXT)
                record = comparison.made()
        except Refused as refusal:
            return BaseAnswer(answer="unmeasured", reason=refusal.reason)
        measured = record.divergence
        if measured is None:
            return BaseAnswer(answer="unmeasured", reason=record.reason)
        if measured.is_rounding:
            return BaseAnswer(answer="equal", mean_kl=measured.mean_kl)
        if self._routes() and apart(measured) <= _NEAR_TIES:
            return BaseAnswer(answer="equal", mean_kl=measured.mean_kl, reason=_TIES)
        cause = str(divergence_cause(comparison, measured, ()))
        return BaseAnswer(answer="differs", mean_kl=measured.mean_kl, reason=cause)

    def _plan(self, recipe: Recipe) -> None:
        """Refuse what a plan refuses."""
        tools, store = self.workplace.tools, self.workplace.settings.store
        with refusing(TRANSFORMERS):
            loading = tools.report_loading(
                self.checkpoint, store, tools.run_worker, ignore_progress
            )
        with refusing(PROGRAM):
            refuse_incomplete(loading, self.checkpoint)
        if recipe.format is Format.GGUF:
            with refusing(REHEARSAL):
                tools.rehearse_conversion(self.checkpoint, store, tools.run_worker, ignore_progress)
        backend = tools.backends[recipe.options.backend]
        if misfits := backend.misfits(self.checkpoint, recipe):
            raise Refused(PROGRAM, misfits[0])

    def _build(self, recipe: Recipe) -> Built:
        if recipe.format is Format.GGUF:
            self._convert()
        backend = self.workplace.tools.backends[recipe.options.backend]
        calibrated = recipe.calibration is not Calibration.NONE
        request = BuildRequest(
            checkpoint=self.checkpoint,
            recipe=recipe,
            calibration=write_calibration(self._folder("inputs")) if calibrated else None,
            output=self._folder(f"built-{recipe.name}"),
            scratch=self._bench.scratch,
            log=self._log(recipe),
            toolchain=backend.toolchain(1),
        )
        with refusing(TOOLS[recipe.options.backend]):
            return backend.build(request, self.workplace.tools.run_worker, ignore_progress)

    def _look_at(self, recipe: Recipe, built: Built) -> None:
        """Hold what was written against what was promised, and load it."""
        facts = built.facts
        if bad := (*facts.missed, *facts.nonfinite_tensors):
            raise Refused(AUDIT, f"not low-bit, or not finite: {', '.join(bad[:_SHOWN])}")
        base = gguf_contents(self._convert()) if recipe.format is Format.GGUF else None
        with refusing(AUDIT):
            findings = unexpected(recipe, self.checkpoint, built, base)
        if findings:
            finding = findings[0]
            raise Refused(AUDIT, f"{finding.check}: {finding.promised}; {finding.found}")
        runtime = self.workplace.tools.runtimes[recipe.runtime]
        request = ProbeRequest(
            loadable=Loadable(path=built.artifact, format=recipe.format),
            texts=write_texts(self.checkpoint.folder, self._folder("inputs")),
            threads=1,
            log=self._log(recipe),
        )
        with refusing(TOOLS[recipe.runtime]):
            probe = runtime.probe(request, self.workplace.tools.run_worker, ignore_progress)
        if not (probe.loads and probe.finite_logits):
            raise Refused(TOOLS[recipe.runtime], probe.detail or "its logits are not finite")
        if probe.mismatched_texts:
            raise Refused(AUDIT, f"cuts {probe.mismatched_texts[0]!r} into other tokens")

    def _convert(self) -> Path:
        with refusing(CONVERTER):
            return self._bench.base("llamacpp").path

    @cached_property
    def _bench(self) -> AuditBench:
        tools, settings = self.workplace.tools, self.workplace.settings
        return AuditBench(
            checkpoint=self.checkpoint,
            runtimes=tools.runtimes,
            store=settings.store,
            threads=1,
            run_worker=tools.run_worker,
            report_loading=tools.report_loading,
            measure_rulers=tools.measure_rulers,
            show=lambda _step, _identifier: nullcontext(ignore_progress),
        )

    def _routes(self) -> bool:
        """Say whether tokens are sent to some of several experts, fused into one tensor or not."""
        tensors = self.checkpoint.tensors
        return any(".experts." in tensor.name or len(tensor.shape) > 2 for tensor in tensors)

    def _folder(self, name: str) -> Path:
        folder = self.workplace.folder / self.checkpoint.architecture / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _log(self, recipe: Recipe) -> Path:
        return self._folder("logs") / f"{recipe.name}.log"


def apart(measured: BaseDivergence) -> float:
    """Return the share of stretches that are further off than rounding explains."""
    stretches, most = measured.stretches, measured.rounding.stretch_kl
    return sum(stretch.mean_kl > most for stretch in stretches) / len(stretches)


def _refused(recipe: str, refusal: Refused) -> Attempt:
    return Attempt(recipe=recipe, refused_by=refusal.by, reason=refusal.reason)
