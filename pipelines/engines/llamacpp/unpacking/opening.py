"""GGUF files as checkpoints: refused in a sentence, or made into a sealed folder of the store, once."""

import importlib.metadata
from collections import Counter
from pathlib import Path

from quantgate.pipelines.checkpoints.tools import OpenedGguf
from quantgate.pipelines.domain.checkpoint import GgufOrigin
from quantgate.pipelines.domain.errors import CheckpointError, ToolchainError
from quantgate.pipelines.domain.values import Digest, digest_of, folder_digest
from quantgate.pipelines.engines.llamacpp.unpacking.configuration import architecture_of
from quantgate.pipelines.engines.llamacpp.unpacking.messages import UnpackCall, UnpackedFacts
from quantgate.pipelines.files.hashing import DigestMemory, file_digest
from quantgate.pipelines.files.sealed import produce_once, verify
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.gguf.header import GgufHeader
from quantgate.pipelines.formats.gguf.parts import gguf_files, read_all_headers, read_part_name
from quantgate.pipelines.formats.gguf.types import FILE_TYPE_NUMBERS, MAIN_TYPES
from quantgate.pipelines.formats.safetensors import FLOAT_TYPES
from quantgate.pipelines.process.calls import OnProgress, Progress, RunWorker, WorkerCall

_WORKER = "quantgate.pipelines.engines.llamacpp.workers.unpacking.unpack"
_PACKAGE = "gguf/tensor_mapping.py"
_ORIGINAL = "name the checkpoint that it was made from"
_OTHER_KINDS = {
    "mmproj": "is the projector of a multimodal model (general.type is 'mmproj'), not a language model",
    "adapter": "is an adapter (general.type is 'adapter'), not a model",
    "imatrix": "is an importance matrix (general.type is 'imatrix'), not a model",
}
_FILE_TYPES = {number: name for name, number in FILE_TYPE_NUMBERS.items()}


class GgufOpener:
    """Opens GGUF files with llama.cpp's own `gguf` package, in child processes."""

    def __init__(self, converter: Path, run_worker: RunWorker) -> None:
        """Remember where the converter was unpacked from the source distribution, with its package."""
        self._package, self._run_worker = converter / "gguf-py", run_worker

    def open(
        self, file: Path, expansion: str | None, store: Store, on_progress: OnProgress
    ) -> OpenedGguf:
        """Return a GGUF file, or one in parts of which one is named, as a sealed checkpoint folder.

        Raises:
            CheckpointError: where it is truncated or none, of another kind, low-bit and `expansion` is None,
            or
                something of it has no equal in a checkpoint folder.
            ToolchainError: where llama.cpp's package is missing, or the disk is full.
            WorkerError: from the child process.
        """
        header = read_all_headers(file)
        _refuse_kind(header, file)
        file_type = stored_type(header)
        if is_low_bit(header) and not expansion:
            raise _low_bit(file_type, file)
        on_progress(Progress(done=0, total=0, what="hashing the GGUF"))
        parts, memory = gguf_files(file), DigestMemory(store.digest_memory)
        digests = [memory.digest(part) for part in parts]
        sha256 = digests[0] if len(digests) == 1 else digest_of(list(digests))
        part = read_part_name(file.name)
        name = part.stem if part else file.stem
        folder = store.unpacked(name, self._key(sha256))

        def produce(staging: Path) -> UnpackedFacts:
            call = WorkerCall(
                module=_WORKER,
                request=UnpackCall(source=parts[0], package=self._package, output=staging),
                log=store.logs / f"unpack-{folder.name}.log",
                threads=1,
            )
            return self._run_worker(call, UnpackedFacts, on_progress).value

        manifest = produce_once(folder, UnpackedFacts, produce)
        verify(folder, manifest, memory.digest)
        origin = GgufOrigin(
            file=parts[0],
            sha256=sha256,
            file_type=file_type,
            expansion=(expansion or "") if is_low_bit(header) else "",
        )
        return OpenedGguf(folder=folder, name=name, origin=origin, notes=manifest.record.notes)

    def _key(self, sha256: Digest) -> Digest:
        """Identity of what is made: the file's bytes, our code and the two packages that take part."""
        if not (self._package / _PACKAGE).is_file():
            raise ToolchainError(
                f"llama.cpp's converter is not in {self._package.parent}",
                next_step="run `make setup`",
            )
        scripts = sorted(self._package.rglob("*.py"))
        package = folder_digest(
            (path.relative_to(self._package).as_posix(), file_digest(path)) for path in scripts
        )
        transformers = importlib.metadata.version("transformers")
        return digest_of([sha256, source_digest(_WORKER), package, transformers])


def is_low_bit(header: GgufHeader) -> bool:
    """Whether any matrix of a file is stored in less than full precision."""
    return any(
        tensor.dtype not in FLOAT_TYPES for tensor in header.tensors if len(tensor.shape) > 1
    )


def stored_type(header: GgufHeader) -> str:
    """Return what a file's weights are stored as: the file type that it names, where its tensors are of it.

    Else it is the type that most of its weights have.
    """
    counts: Counter[str] = Counter()
    for tensor in header.tensors:
        counts[tensor.dtype] += tensor.parameter_count
    prevailing = counts.most_common(1)[0][0] if counts else "no type"
    number = header.metadata.get("general.file_type")
    named = _FILE_TYPES.get(number, "") if isinstance(number, int) else ""
    return named if MAIN_TYPES.get(named, named) == prevailing else prevailing


def _refuse_kind(header: GgufHeader, file: Path) -> None:
    kind = str(header.metadata.get("general.type") or "model")
    if kind != "model":
        raise CheckpointError(
            _OTHER_KINDS.get(kind, f"is no model (general.type is '{kind[:100]}')"),
            where=str(file),
            next_step="name the GGUF of the language model itself",
        )
    architecture_of(header, str(file))
    if not header.tensors:
        raise CheckpointError(
            "holds a vocabulary and no weights",
            where=str(file),
            next_step="name the GGUF that holds the whole model",
        )


def _low_bit(file_type: str, file: Path) -> CheckpointError:
    return CheckpointError(
        f"is low-bit already ({file_type}): every recipe would first expand its weights and then round them "
        "once more, and the loss it came with would go unseen",
        where=str(file),
        next_step=f"{_ORIGINAL}; or expand it to bfloat16, which everything that is made of it will say: "
        "`--expand REASON`, in a build file `expand: reason`",
    )
