"""The example as llama.cpp's backend builds from it: what tests of GGUF recipes share."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.shelf.tokens import calibration_tokens
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Calibration, Format, GgufOptions, Recipe
from quantgate.pipelines.domain.variant import BuildFacts
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.engines.backend import BuildRequest, Built, CalibrationTokens
from quantgate.pipelines.engines.llamacpp.build_messages import (
    QuantizeCall,
    QuantizeFacts,
    Sensitivities,
    SensitivityCall,
)
from quantgate.pipelines.engines.requests import DivergenceRequest, Loadable
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.calls import Reply, WorkerCall, ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import catalogue
from tests.support.llamacpp.checkpoints import backend
from tests.support.project import EXAMPLE
from tests.support.shared import shared_folder

# Fewer tokens than the recipes ask for: what is shown here does not hang on how many.
TOKENS = 1000
HELD_OUT_TOKENS = 4000
RECIPES = {recipe.name: recipe for recipe in catalogue() if recipe.format is Format.GGUF}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The example, its calibration tokens, and folders for what is made of them.

    `shared` belongs to all tests of this run, where recipes are built and all they need is made once.
    """

    base: Checkpoint
    corpus: CalibrationTokens
    folder: Path
    shared: Path

    @property
    def scratch(self) -> Path:
        """What all recipes share."""
        return self.shared / "scratch"

    def build(self, recipe: Recipe) -> Built:
        """Build a recipe by the real backend, unless somebody has."""
        folder = self.shared / "variants" / recipe.name
        sealed = produce_once(folder, _BuiltRecord, partial(self._build, recipe)).record
        return Built(artifact=folder / sealed.artifact, facts=sealed.facts)

    def _build(self, recipe: Recipe, staging: Path) -> "_BuiltRecord":
        output = staging / "files"
        output.mkdir()
        calibrated = recipe.calibration is Calibration.IMATRIX
        request = BuildRequest(
            checkpoint=self.base,
            recipe=recipe,
            calibration=self.corpus if calibrated else None,
            output=output,
            scratch=self.scratch,
            log=self.folder / recipe.name / "build.log",
            toolchain=backend().toolchain(1),
        )
        built = backend().build(request, run_worker, ignore_progress)
        return _BuiltRecord(artifact=str(built.artifact.relative_to(staging)), facts=built.facts)

    def f16(self) -> Path:
        """The base as llama.cpp compares with it."""
        return backend().converter.convert(self.base, self.scratch, run_worker, ignore_progress)

    def imatrix(self) -> Path:
        """The one importance matrix that is computed, for whichever recipe comes first."""
        self.build(RECIPES["Q4_K_M--imatrix"])
        (matrix,) = self.scratch.glob("imatrix-*/imatrix.gguf")
        return matrix

    def quantize(self, call: QuantizeCall) -> QuantizeFacts:
        """Quantize as the worker does."""
        return self._run("engines.llamacpp.workers.building.quantize", call, QuantizeFacts)

    def divergences(self, *files: Path, sequences: Path) -> tuple[Divergence, ...]:
        """Hold files against the base."""
        base = Loadable(path=self.f16(), format=Format.GGUF)
        return tuple(
            self._run(
                "engines.llamacpp.workers.divergence",
                DivergenceRequest(
                    base=base,
                    variant=replace(base, path=file),
                    sequences=sequences,
                    max_tokens=HELD_OUT_TOKENS,
                    threads=1,
                    log=self.folder / "workers.log",
                    base_logits=self.folder / f"logits-of-the-base-{sequences.stem}",
                ),
                Divergence,
            )
            for file in files
        )

    def sensitivities(self, call: SensitivityCall) -> Sensitivities:
        """Measure groups as the worker does."""
        return self._run("engines.llamacpp.workers.building.sensitivity", call, Sensitivities)

    def _run(self, module: str, call: object, reply: type[Reply]) -> Reply:
        log = self.folder / "workers.log"
        worker = WorkerCall(
            module=f"quantgate.pipelines.{module}", request=call, log=log, threads=1
        )
        return run_worker(worker, reply, ignore_progress).value


@dataclass(frozen=True, slots=True, kw_only=True)
class _BuiltRecord:
    artifact: str
    facts: BuildFacts


def make_bench(factory: pytest.TempPathFactory) -> Bench:
    """Resolve the example and tokenize a little of its corpus, with a folder of the caller's own."""
    shared = shared_folder(factory, "gguf")
    store = Store(root=shared / "store")
    source = str(EXAMPLE / "checkpoint")
    base = resolve_checkpoint(source, name="demo", store=store, hub=HubSettings())
    corpus = calibration_tokens(
        build_corpus(load_corpus_spec(EXAMPLE / "corpus.yaml"), store),
        ChatFormat.of(base.folder),
        context_length_tokens=base.context_length_tokens,
        target_tokens=TOKENS,
        folder=shared,
    )
    return Bench(base=base, corpus=corpus, folder=factory.mktemp("gguf"), shared=shared)


def gguf_options(recipe: Recipe) -> GgufOptions:
    """Return a GGUF recipe's own options."""
    assert isinstance(recipe.options, GgufOptions)
    return recipe.options
