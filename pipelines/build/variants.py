"""One variant: its key, its place in the store, and building it once."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.backends.protocol import Backend, BuildRequest, CalibrationTokens
from pipelines.domain.checkpoint import Checkpoint, CheckpointDigests
from pipelines.domain.corpus import Corpus
from pipelines.domain.errors import CheckpointError, WorkerError
from pipelines.domain.recipe import Calibration, Recipe
from pipelines.domain.values import Digest
from pipelines.domain.variant import BuildFacts, Toolchain, Variant, variant_key
from pipelines.files.records import record_digest
from pipelines.files.sealed import Manifest, is_sealed, produce_once, read_manifest, verify
from pipelines.files.store import Store
from pipelines.process.calls import OnProgress, RunWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVariant:
    """A variant that is wanted, known before anything is built.

    `corpus_label` and `corpus_digest` are None for recipes that take nothing from a corpus.
    """

    identifier: str
    recipe: Recipe
    base: CheckpointDigests
    corpus_label: str | None
    corpus_digest: Digest | None
    toolchain: Toolchain

    @property
    def key(self) -> Digest:
        """Identity of the variant."""
        return variant_key(
            base=self.base,
            recipe_digest=record_digest(self.recipe),
            corpus_digest=self.corpus_digest,
            toolchain=self.toolchain,
        )

    def folder(self, store: Store) -> Path:
        """Return where it is sealed."""
        return store.variant(self.identifier, self.key)

    def built(self, store: Store) -> bool:
        """Whether it is sealed."""
        return is_sealed(self.folder(store))


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRecord:
    """What stands in a sealed variant's manifest; `artifact` is relative to its folder ('.': all of it)."""

    plan: PlannedVariant
    facts: BuildFacts
    artifact: str


def plan_variant(
    checkpoint: Checkpoint,
    recipe: Recipe,
    corpus: Corpus | None,
    backend: Backend,
    threads: int,
) -> PlannedVariant:
    """Name and key one variant.

    Raises:
        CheckpointError: where the recipe does not fit the checkpoint's shapes, or needs a corpus and
            there is none.
    """
    identifier = f"{checkpoint.name}--{recipe.name}"
    misfits = backend.misfits(checkpoint, recipe)
    if misfits:
        more = f" (and {len(misfits) - 1} more)" if len(misfits) > 1 else ""
        raise CheckpointError(f"does not fit this checkpoint: {misfits[0]}{more}", where=identifier)
    calibrated = recipe.calibration is not Calibration.NONE
    if calibrated and corpus is None:
        raise CheckpointError(
            "is calibrated and this build names no corpus",
            where=identifier,
            next_step="give --corpus FILE, or `corpus:` in the build file",
        )
    used = corpus if calibrated else None
    return PlannedVariant(
        identifier=identifier,
        recipe=recipe,
        base=checkpoint.digests,
        corpus_label=used.label if used else None,
        corpus_digest=used.digest if used else None,
        toolchain=backend.toolchain(threads),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where and with what variants of one checkpoint are built."""

    checkpoint: Checkpoint
    store: Store
    run_worker: RunWorker
    on_progress: OnProgress


def build_variant(
    planned: PlannedVariant,
    backend: Backend,
    calibration: CalibrationTokens | None,
    workshop: Workshop,
) -> Variant:
    """Return the sealed variant, building it in child processes if nobody has.

    Raises:
        CheckpointError, ToolchainError, WorkerError: from the backend; nothing half-written is left.
    """
    log = workshop.store.logs / f"build-{planned.identifier}--{planned.key[:16]}.log"

    def produce(staging: Path) -> VariantRecord:
        output = staging / "files"
        output.mkdir()
        request = BuildRequest(
            checkpoint=workshop.checkpoint,
            recipe=planned.recipe,
            calibration=calibration,
            output=output,
            scratch=workshop.store.checkpoint(workshop.checkpoint.digests.combined),
            log=log,
            toolchain=planned.toolchain,
        )
        built = backend.build(request, workshop.run_worker, workshop.on_progress)
        if not built.artifact.is_relative_to(output) or not built.artifact.exists():
            raise WorkerError(
                "the backend names an artifact it did not write",
                where=planned.identifier,
                log=log,
            )
        return VariantRecord(
            plan=planned,
            facts=built.facts,
            artifact=built.artifact.relative_to(staging).as_posix(),
        )

    folder = planned.folder(workshop.store)
    return _variant(produce_once(folder, VariantRecord, produce), folder)


def open_variant(planned: PlannedVariant, store: Store) -> Variant:
    """Open a sealed variant after comparing every byte with its manifest.

    Raises:
        InputError: where it is missing or was altered.
    """
    folder = planned.folder(store)
    manifest = read_manifest(folder, VariantRecord)
    verify(folder, manifest)
    return _variant(manifest, folder)


def _variant(manifest: Manifest[VariantRecord], folder: Path) -> Variant:
    plan = manifest.record.plan
    return Variant(
        identifier=plan.identifier,
        key=plan.key,
        recipe=plan.recipe,
        base=plan.base,
        corpus_label=plan.corpus_label,
        corpus_digest=plan.corpus_digest,
        toolchain=plan.toolchain,
        facts=manifest.record.facts,
        folder=folder,
        artifact=folder / manifest.record.artifact,
        files_digest=manifest.files_digest,
        size_bytes=sum(
            file.size_bytes for file in manifest.files if file.path.endswith(_WEIGHT_SUFFIXES)
        ),
    )


_WEIGHT_SUFFIXES = (".gguf", ".safetensors")
"""A variant's size is what a server has to load; tokenizers and logs do not count."""
