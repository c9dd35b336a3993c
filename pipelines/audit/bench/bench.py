"""What audits are made with: a base, the tools that load it, and where all is kept."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from quantgate.pipelines.audit.bench.computing import MemoryBounds, whole_machine
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Format, Recipe
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.variant import Variant
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.engines.divergence.rulers import MeasureRulers
from quantgate.pipelines.engines.loading_report import ReportLoading
from quantgate.pipelines.engines.memory import audit_memory, is_read_from_disk, rulers_memory
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.engines.residence import Residence
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.files.sealed_values import Missing, Once, Sealed
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import (
    NothingStartsError,
    OnProgress,
    RunWorker,
    ignore_progress,
    start_nothing,
)
from quantgate.pipelines.process.devices.engines import torch_device

ShowUnit = Callable[[str, str], AbstractContextManager[OnProgress]]
"""Shows that a unit (step, identifier) is under way; yields what hears its progress."""


def base_in(runtime_name: str) -> str:
    """Return what the base is called as a unit."""
    return f"base in {runtime_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseReading:
    """How the base reads and is asked: what its copies in runtimes, and its variants, are held to.

    `texts` writes every text of suite and corpus with the base's own token ids, unless that was done, and
    returns the file (`ProbeRequest.texts`); `texts_digest` is its identity. `template_notes` say what of the
    base's files was left aside.
    """

    texts: Callable[[], Path]
    texts_digest: Digest
    template: str
    template_notes: tuple[str, ...]
    stop_token_ids: tuple[int, ...]
    longest_sequence_tokens: int


@dataclass(kw_only=True, eq=False)
class AuditBench:
    """Loads one base, and what is built from it, in the runtimes of this machine, within its memory."""

    checkpoint: Checkpoint
    runtimes: Mapping[str, Runtime]
    store: Store
    threads: int
    run_worker: RunWorker
    report_loading: ReportLoading
    measure_rulers: MeasureRulers
    show: ShowUnit
    memory: MemoryBounds = field(default_factory=whole_machine)

    _bases: Once[Loadable] = field(default_factory=Once, init=False, repr=False)
    _contents: Once[Contents] = field(default_factory=Once, init=False, repr=False)

    @property
    def scratch(self) -> Path:
        """Where what is derived from the base is kept."""
        return self.store.checkpoint(self.checkpoint.digests.combined)

    def residence(self, recipe: Recipe | None) -> Residence | None:
        """Return how much of a variant's weights, or of the base's, transformers keeps in memory.

        None for all of them: where they fit, where nothing may be read from the disk, and where an
        accelerator computes. llama.cpp maps its files.
        """
        checkpoint, bound = self.checkpoint, self.memory.size_bytes
        if not (self.memory.offload and is_read_from_disk(checkpoint, recipe)):
            return None
        if torch_device() != "cpu":
            return None
        need = (
            rulers_memory(checkpoint)
            if recipe is None
            else audit_memory(checkpoint, recipe, in_llamacpp=False)
        )
        if need.size_bytes <= bound:
            return None
        return Residence(
            resident_bytes=max(1, bound - need.held_bytes), folder=self.store.offloaded
        )

    def loadable(self, variant: Variant) -> Loadable:
        """Return what a runtime is to load of a variant."""
        recipe = variant.recipe
        return Loadable(
            path=variant.artifact,
            format=recipe.format,
            kv_cache=recipe.kv_cache,
            residence=self.residence(recipe),
        )

    def base(self, runtime_name: str) -> Loadable:
        """Return the base in a form that a runtime loads, made once a process."""
        return self._bases(runtime_name, lambda: self._load(runtime_name))

    def base_contents(self, runtime_name: str) -> Contents:
        """Return what the base says of itself, read once a process: a vocabulary takes seconds."""
        runtime = self.runtimes[runtime_name]
        return self._contents(runtime_name, lambda: runtime.contents(self.base(runtime_name)))

    def sealed_base(self, runtime_name: str) -> Sealed[Loadable] | Missing:
        """Return the base in a form that a runtime loads, where that was made: nothing starts here."""
        runtime = self.runtimes[runtime_name]
        try:
            base = runtime.reference(self.checkpoint, self.scratch, start_nothing, ignore_progress)
        except (NothingStartsError, CheckpointError):
            return Missing(base_in(runtime_name))
        return Sealed(base)

    def _load(self, runtime_name: str) -> Loadable:
        with self.show("load base", base_in(runtime_name)) as progress:
            loadable = self.runtimes[runtime_name].reference(
                self.checkpoint, self.scratch, self.run_worker, progress
            )
        if loadable.format is Format.GGUF:
            return loadable
        return replace(loadable, residence=self.residence(None))
