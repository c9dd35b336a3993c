"""One variant: its key, its place in the store, and building it once."""

from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.pipelines.checkpoints.config import head_size
from quantgate.pipelines.domain.checkpoint import Checkpoint, CheckpointDigests
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import CheckpointError, WorkerError
from quantgate.pipelines.domain.recipe import Calibration, Recipe
from quantgate.pipelines.domain.values import Digest, JsonValue, digest_of
from quantgate.pipelines.domain.variant import BuildFacts, Toolchain, Variant, variant_key
from quantgate.pipelines.engines.backend import Backend, BuildRequest, CalibrationTokens
from quantgate.pipelines.files.records import record_digest, to_json
from quantgate.pipelines.files.sealed import (
    Manifest,
    is_sealed,
    read_manifest,
    read_sealed,
    seal,
    staged,
    verify,
)
from quantgate.pipelines.files.store import VARIANT_FILES, Store
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.specs.kv_caches import KV_CACHE_BLOCK, without_kv_suffix

_MISFITS_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVariant:
    """A variant that is wanted, known before anything is built.

    Its key identifies it for verdicts and in the registry. Variants that differ only in how their runtime
    holds keys and values have the same files, which have a key of their own and are built once.
    `corpus_label` and `corpus_digest` are None for recipes that take nothing from a corpus; `rendering` is
    the identity of what turns the corpus into tokens, beside corpus and base.
    """

    identifier: str
    recipe: Recipe
    base: CheckpointDigests
    corpus_label: str | None
    corpus_digest: Digest | None
    toolchain: Toolchain
    rendering: Digest | None = None

    @property
    def key(self) -> Digest:
        """Identity of the variant."""
        return variant_key(
            base=self.base,
            recipe_digest=record_digest(self.recipe.placeless),
            corpus_digest=self._calibration,
            toolchain=self.toolchain,
        )

    @property
    def files_identifier(self) -> str:
        """What its files are called: the identifier without the KV cache's suffix."""
        return without_kv_suffix(self.identifier)

    @property
    def files_key(self) -> Digest:
        """Identity of its files: all of the recipe that may influence a byte, and nothing else."""
        recipe = self.recipe.placeless
        calibration: list[JsonValue] = [recipe.calibration, recipe.calibration_tokens]
        return variant_key(
            base=self.base,
            recipe_digest=digest_of([recipe.format, calibration, to_json(recipe.options)]),
            corpus_digest=self._calibration,
            toolchain=self.toolchain,
        )

    @property
    def _calibration(self) -> Digest | None:
        """Identity of what it is calibrated on."""
        if self.corpus_digest is None or self.rendering is None:
            return self.corpus_digest
        return digest_of([self.corpus_digest, self.rendering])

    def folder(self, store: Store) -> Path:
        """Return where its files are sealed."""
        return store.variant(self.files_identifier, self.files_key)

    def built(self, store: Store) -> bool:
        """Whether it is sealed."""
        return is_sealed(self.folder(store))


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRecord:
    """What stands in a sealed variant's manifest; `artifact` is relative to its folder ('.': all of it).

    `plan` is that of whoever built it first; others may have the same files under another recipe's name.
    """

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
    misfits = (*backend.misfits(checkpoint, recipe), *_cache_misfits(checkpoint, recipe))
    if misfits:
        shown = "; ".join(misfits[:_MISFITS_SHOWN])
        left = len(misfits) - _MISFITS_SHOWN
        more = f" (and {left} more)" if left > 0 else ""
        other = backend.nearest(checkpoint, recipe)
        raise CheckpointError(
            f"does not fit this checkpoint: {shown}{more}",
            where=identifier,
            next_step=_instead(recipe, other),
        )
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


def _cache_misfits(checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
    """llama.cpp refuses a cache whose blocks do not divide an attention head."""
    size = head_size(checkpoint.folder) if recipe.kv_cache != "f16" else None
    if size is None or size % KV_CACHE_BLOCK == 0:
        return ()
    return (
        f"attention heads have {size} values, which the blocks of {KV_CACHE_BLOCK} of a "
        f"{recipe.kv_cache} cache do not divide; f16 fits",
    )


def build_request(
    planned: PlannedVariant,
    checkpoint: Checkpoint,
    calibration: CalibrationTokens | None,
    store: Store,
) -> BuildRequest:
    """Return what a backend is asked; `output` is where its files will lie once they are sealed."""
    return BuildRequest(
        checkpoint=checkpoint,
        recipe=planned.recipe,
        calibration=calibration,
        output=planned.folder(store) / VARIANT_FILES,
        scratch=store.checkpoint(checkpoint.digests.combined),
        log=store.logs / f"build-{planned.files_identifier}--{planned.files_key[:16]}.log",
        toolchain=planned.toolchain,
    )


def build_variant(
    planned: PlannedVariant,
    request: BuildRequest,
    backend: Backend,
    run_worker: RunWorker,
    on_progress: OnProgress,
) -> Variant:
    """Return the sealed variant, building it in child processes if nobody has.

    Raises:
        CheckpointError, ToolchainError, WorkerError: from the backend; nothing half-written is left.
    """
    folder = request.output.parent
    with staged(folder) as staging:
        if staging is not None:
            output = staging / VARIANT_FILES
            output.mkdir()
            built = backend.build(replace(request, output=output), run_worker, on_progress)
            if not built.artifact.is_relative_to(output) or not built.artifact.exists():
                raise WorkerError(
                    "the backend names an artifact it did not write",
                    where=planned.identifier,
                    log=request.log,
                )
            artifact = built.artifact.relative_to(staging).as_posix()
            seal(staging, VariantRecord(plan=planned, facts=built.facts, artifact=artifact))
    return _variant(planned, read_sealed(folder, VariantRecord), folder)


def open_variant(planned: PlannedVariant, store: Store) -> Variant:
    """Open a sealed variant, as it is planned here, after comparing every byte with its manifest.

    Raises:
        InputError: where it is missing or was altered.
    """
    folder = planned.folder(store)
    manifest = read_manifest(folder, VariantRecord)
    verify(folder, manifest)
    return _variant(planned, manifest, folder)


def _variant(plan: PlannedVariant, manifest: Manifest[VariantRecord], folder: Path) -> Variant:
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
        manifest_digest=manifest.digest,
        size_bytes=sum(
            file.size_bytes for file in manifest.files if file.path.endswith(_WEIGHT_SUFFIXES)
        ),
    )


_WEIGHT_SUFFIXES = (".gguf", ".safetensors")
"""A variant's size is what a server has to load; tokenizers and logs do not count."""


def _instead(recipe: Recipe, other: Recipe | None) -> str | None:
    if other is not None:
        return f"take {other.name}, or let --nearest take it"
    return "name a quant of this very checkpoint" if recipe.is_foreign else None
