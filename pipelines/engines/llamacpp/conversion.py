"""Checkpoints as F16 GGUFs, by the conversion scripts that come with llama.cpp; each is made once."""

from functools import lru_cache
from pathlib import Path

from quantgate.pipelines.domain.architectures import ToolArchitectures
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import ChildAbortError
from quantgate.pipelines.domain.values import Digest, JsonValue, digest_of, folder_digest
from quantgate.pipelines.domain.variant import ToolVersion
from quantgate.pipelines.engines.llamacpp.architectures import TABLE_FILE, converter_architectures
from quantgate.pipelines.engines.llamacpp.build_messages import ConvertCall, ConvertFacts
from quantgate.pipelines.engines.llamacpp.build_workers import WORKERS, BuildWorkers
from quantgate.pipelines.engines.llamacpp.dry_run import CONVERTING, LastStep, unreadable
from quantgate.pipelines.files.hashing import file_digest, look_at
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall
from quantgate.pipelines.process.endings.causes import run_confirmed
from quantgate.pipelines.process.versions import installed_version

CONVERSION_SOURCES = (__name__,)
PACKAGE = "llama-cpp-python"
_PARTS = ("convert_hf_to_gguf.py", TABLE_FILE, "conversion/base.py", "gguf-py/gguf/__init__.py")
_MODEL = "model.gguf"
_DRY_RUN = "dry_run"
_KEY_LENGTH = 16


class Converter:
    """Converts checkpoints, and rehearses that before anything is paid for."""

    def __init__(self, folder: Path) -> None:
        """Remember where the scripts were unpacked from the source distribution."""
        self._folder = folder

    def missing(self) -> str | None:
        """Return None where the scripts are there, else one sentence."""
        if all((self._folder / part).is_file() for part in _PARTS):
            return None
        return f"llama.cpp's converter is not in {self._folder}: run `make setup`"

    def architectures(self) -> ToolArchitectures | None:
        """Return the language models that it has; None where the scripts are not there.

        Raises:
            ToolchainError: where they do not list their models as they used to.
        """
        if self.missing():
            return None
        return converter_architectures(self._folder, self._folder.parent.name)

    def convert(
        self,
        checkpoint: Checkpoint,
        scratch: Path,
        run_worker: RunWorker,
        on_progress: OnProgress,
    ) -> Path:
        """Return the checkpoint as an F16 GGUF, converted into `scratch` on first use.

        Raises:
            CheckpointError, WorkerError: with the log's path.
        """
        log = scratch / "gguf-f16.log"
        return self.f16(
            checkpoint,
            scratch,
            BuildWorkers(run_worker=run_worker, on_progress=on_progress, log=log),
        )

    def rehearse(
        self, checkpoint: Checkpoint, store: Store, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        """Refuse what cannot be converted, or read by llama.cpp; tried once and remembered.

        Tensors are mapped, named and shaped as in a conversion, and none of their numbers is read.

        Raises:
            CheckpointError: with the converter's or llama.cpp's own reason.
            ToolchainError, WorkerError: from the child process.
        """
        tools: list[JsonValue] = [[tool.name, tool.version] for tool in self.tools()]
        sources = source_digest(f"{WORKERS}.convert", f"{WORKERS}.{_DRY_RUN}")
        key = digest_of([checkpoint.digests.combined, tools, sources])
        folder = store.checkpoint(checkpoint.digests.combined) / f"dry-run-{key[:_KEY_LENGTH]}"

        def produce(staging: Path) -> ConvertFacts:
            log = store.logs / f"dry-run-{key[:_KEY_LENGTH]}.log"
            request = ConvertCall(
                converter=self._folder, checkpoint=checkpoint.folder, output=staging / _MODEL
            )
            call = WorkerCall(module=f"{WORKERS}.{_DRY_RUN}", request=request, log=log, threads=1)
            step = LastStep(on_progress)
            try:
                return run_confirmed(run_worker, call, ConvertFacts, step)
            except ChildAbortError as error:
                # What llama.cpp aborts over, it says it cannot have.
                if step.what == CONVERTING:
                    raise
                reason = f"it {error.what}"
                raise unreadable(step.what, reason, checkpoint.folder, error.log) from error

        produce_once(folder, ConvertFacts, produce)

    def f16(self, checkpoint: Checkpoint, scratch: Path, workers: BuildWorkers) -> Path:
        """Return the checkpoint as an F16 GGUF, converted by these workers where nobody has yet."""
        tools: list[JsonValue] = [[tool.name, tool.version] for tool in self.tools()]
        key = digest_of([checkpoint.digests.combined, tools, source_digest(f"{WORKERS}.convert")])
        folder = scratch / f"gguf-f16-{key[:_KEY_LENGTH]}"

        def produce(staging: Path) -> ConvertFacts:
            call = ConvertCall(
                converter=self._folder, checkpoint=checkpoint.folder, output=staging / _MODEL
            )
            return workers.run("convert", call, ConvertFacts, threads=1)

        produce_once(folder, ConvertFacts, produce)
        return folder / _MODEL

    def tools(self) -> tuple[ToolVersion, ...]:
        """Return what influences a conversion's bytes."""
        return (
            ToolVersion(name=PACKAGE, version=installed_version(PACKAGE)),
            ToolVersion(
                name="llama.cpp-converter", version=_scripts_digest(self._folder)[:_KEY_LENGTH]
            ),
            # It reads the vocabulary that the converter writes down.
            ToolVersion(name="transformers", version=installed_version("transformers")),
        )


def _scripts_digest(converter: Path) -> Digest:
    """Return the digest of the converter's hundreds of files, read anew once one was written."""
    scripts = (
        converter / "convert_hf_to_gguf.py",
        *(converter / "conversion").glob("*.py"),
        *(converter / "gguf-py").rglob("*.py"),
    )
    for place in {*scripts, *(script.parent for script in scripts)}:
        look_at(place)
    written = ((path, path.stat()) for path in sorted(scripts))
    return _digest_of_files(
        converter, tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in written)
    )


@lru_cache(maxsize=1)
def _digest_of_files(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> Digest:
    return folder_digest(
        (path.relative_to(folder).as_posix(), file_digest(path)) for path, _, _ in files
    )
