"""Resolve: what the user wrote becomes a checkpoint that was looked into and accepted, or a sentence why not.

Nothing here imports torch or runs a model. What is expensive on large checkpoints (hashing, looking for NaN)
is done once and remembered in the store.
"""

import difflib
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.checkpoints.architectures import REVIEWED_ARCHITECTURES, tool_refusals
from quantgate.pipelines.checkpoints.config import check_vocabulary, read_model_shape
from quantgate.pipelines.checkpoints.digests import checkpoint_digests
from quantgate.pipelines.checkpoints.language_tensors import parts_beside
from quantgate.pipelines.checkpoints.lfs_pointers import refuse_lfs_pointers
from quantgate.pipelines.checkpoints.links import refuse_leaving_links
from quantgate.pipelines.checkpoints.listing import refuse_listing, refuse_pipes
from quantgate.pipelines.checkpoints.numerics import parameter_count
from quantgate.pipelines.checkpoints.soundness import scan_weights
from quantgate.pipelines.checkpoints.tools import GGUF_SUFFIX, CheckpointTools
from quantgate.pipelines.checkpoints.weights import check_weights
from quantgate.pipelines.domain.architectures import ToolArchitectures
from quantgate.pipelines.domain.checkpoint import Checkpoint, GgufOrigin, TensorFacts
from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.hashing import DigestMemory
from quantgate.pipelines.files.reading import at_home, is_folder
from quantgate.pipelines.files.sealed import verify
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.safetensors import StoredTensor, read_tensors, weight_files
from quantgate.pipelines.hub.source import CheckpointChecks, HubSettings, download, parse_hub_source
from quantgate.pipelines.process.calls import OnProgress, Progress, ignore_progress

_CACHED = "models--"
_NO_TOOLS = CheckpointTools()
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot:
    """A folder to look into, what to call it, and how to get digests of its files."""

    folder: Path
    source: str
    name: str
    file_digest: Callable[[Path], Digest]
    origin: GgufOrigin | None = None
    notes: tuple[str, ...] = ()


def resolve_checkpoint(
    source: str,
    *,
    name: str | None,
    store: Store,
    hub: HubSettings,
    tools: CheckpointTools = _NO_TOOLS,
    on_progress: OnProgress = ignore_progress,
) -> Checkpoint:
    """Return the accepted checkpoint behind a folder, a GGUF file or `org/name[@revision]`.

    `name` is what variants are registered under; None takes the folder's, the file's or the repository's
    name. Without `tools` none is refused for its architecture, and no GGUF file is opened.

    Raises:
        InputError: there is no such folder, repository or revision.
        CheckpointError: the checkpoint is refused; one sentence and a next step.
        ServiceError: the hub does not answer or refuses.
    """
    path = at_home(source)
    if is_folder(path):
        snapshot = _local(path.resolve(), store)
    elif path.suffix == GGUF_SUFFIX and _is_there(path):
        snapshot = _from_gguf(path.resolve(), store, tools, on_progress)
    else:
        snapshot = _from_hub(source, store, hub, tools.architectures, on_progress)
    return _accepted(
        snapshot, name=name, store=store, tools=tools.architectures, on_progress=on_progress
    )


def _local(folder: Path, store: Store) -> _Snapshot:
    memory = DigestMemory(store.digest_memory)
    return _Snapshot(
        folder=folder, source=str(folder), name=_local_name(folder), file_digest=memory.digest
    )


def _local_name(folder: Path) -> str:
    """Return the folder's name; a revision in the hub's own cache is called as its repository is.

    Layout: huggingface_hub, "Understand caching": `models--ORG--NAME/snapshots/REVISION`.
    """
    repository = folder.parent.parent.name
    if folder.parent.name == "snapshots" and repository.startswith(_CACHED):
        return repository.rpartition("--")[2]
    return folder.name


def _checks(tools: Sequence[ToolArchitectures]) -> CheckpointChecks:
    """Return what is refused of a repository before its weights are downloaded."""

    def refuse_config(folder: Path) -> None:
        tool_refusals(read_model_shape(folder).architecture, tools, where=str(folder))

    return CheckpointChecks(
        names=lambda names, where: refuse_listing(names, where=where), small_files=refuse_config
    )


def _from_gguf(
    file: Path, store: Store, tools: CheckpointTools, on_progress: OnProgress
) -> _Snapshot:
    opened = tools.open_gguf(file, tools.expansion, store, on_progress)
    return _Snapshot(
        folder=opened.folder,
        source=str(file),
        name=opened.name,
        file_digest=DigestMemory(store.digest_memory).digest,
        origin=opened.origin,
        notes=opened.notes,
    )


def _from_hub(
    source: str,
    store: Store,
    hub: HubSettings,
    tools: Sequence[ToolArchitectures],
    on_progress: OnProgress,
) -> _Snapshot:
    hub_source = parse_hub_source(source)
    if hub_source is None or _is_there(Path(source)):
        raise _no_such_folder(source)
    try:
        folder, manifest = download(
            hub_source, store=store, settings=hub, refusals=_checks(tools), on_progress=on_progress
        )
    except (InputError, ServiceError) as error:
        if neighbours := _neighbours(source):
            error.next_step = f"did you mean the folder {neighbours[0]}?"
        raise
    memory = DigestMemory(store.digest_memory)
    verify(folder, manifest, memory.digest)
    return _Snapshot(
        folder=folder,
        source=f"{hub_source.repository}@{manifest.record.revision}",
        name=hub_source.repository.rsplit("/", 1)[-1],
        file_digest=memory.digest,
    )


def _accepted(
    snapshot: _Snapshot,
    *,
    name: str | None,
    store: Store,
    tools: Sequence[ToolArchitectures],
    on_progress: OnProgress,
) -> Checkpoint:
    """Look into the folder, cheap things first."""
    where = snapshot.source
    refuse_leaving_links(snapshot.folder, where=where)
    refuse_listing((path.name for path in snapshot.folder.iterdir()), where=where)
    refuse_pipes(snapshot.folder)
    refuse_lfs_pointers(snapshot.folder, where=where)
    shape = read_model_shape(snapshot.folder)
    refusals = tool_refusals(shape.architecture, tools, where=str(snapshot.folder / "config.json"))
    tensors = read_tensors(snapshot.folder)
    beside = parts_beside(tensor.name for tensor in tensors) if shape.composite else ()
    check_weights(shape, tensors, beside, snapshot.folder)
    check_vocabulary(shape, snapshot.folder)
    on_progress(Progress(done=0, total=0, what="hashing the checkpoint"))
    digests = checkpoint_digests(snapshot.folder, snapshot.file_digest)
    grid = scan_weights(
        tensors, memory=store.weight_scan(digests.weights), where=where, on_progress=on_progress
    )
    return Checkpoint(
        name=_registrable(name or snapshot.name),
        source=snapshot.source,
        folder=snapshot.folder,
        digests=digests,
        architecture=shape.architecture,
        dtype=_main_dtype(tensors),
        parameter_count=parameter_count(tensors, shape.quantization),
        size_bytes=sum(file.stat().st_size for file in weight_files(snapshot.folder)),
        context_length_tokens=shape.context_length_tokens,
        tensors=tuple(
            TensorFacts(name=tensor.name, shape=tensor.shape, dtype=tensor.dtype)
            for tensor in tensors
        ),
        quantization=shape.quantization,
        reviewed=shape.architecture in REVIEWED_ARCHITECTURES,
        tool_refusals=refusals,
        parts_beside=beside,
        notes=(*shape.notes, *snapshot.notes),
        origin=snapshot.origin,
        grid=grid if shape.quantization is None else None,
    )


def _main_dtype(tensors: Sequence[StoredTensor]) -> str:
    """The type that most parameters have, as safetensors spells it."""
    counts: Counter[str] = Counter()
    for tensor in tensors:
        counts[tensor.dtype] += tensor.parameter_count
    return counts.most_common(1)[0][0]


def _registrable(name: str) -> str:
    """MLflow refuses slashes and colons in model names, and names that begin as a path upwards.

    Letters of other scripts do not go into file names and addresses everywhere. Where a name loses some, it
    ends in a digest of all of it, so that two names stay two names.
    """
    kept = _NOT_IN_A_NAME.sub("-", name).strip("-.") or "model"
    lost = any(not letter.isascii() and letter.isalnum() for letter in name)
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode("utf-8", "backslashreplace"))
    return f"{kept}-{digest.hexdigest()[:8]}" if lost else kept


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is longer than any file's
        return False


def _no_such_folder(source: str) -> InputError:
    if _is_there(Path(source)):
        return InputError(
            "is a file, not a checkpoint folder",
            where=source,
            next_step="name a .gguf file, or the folder of config.json, tokenizer.json and the weights",
        )
    neighbours = _neighbours(source)
    hint = f"did you mean {neighbours[0]}?" if neighbours else "name a folder or org/name@revision"
    kind = "file" if source.endswith(GGUF_SUFFIX) else "folder"
    return InputError(f"there is no such {kind}", where=source, next_step=hint)


def _neighbours(source: str) -> list[str]:
    """Folders and GGUF files that exist and are spelled nearly like this one."""
    path = at_home(source)
    if not is_folder(path.parent):
        return []
    names = [
        entry.name
        for entry in path.parent.iterdir()
        if entry.is_dir() or entry.suffix == GGUF_SUFFIX
    ]
    return [str(path.parent / name) for name in difflib.get_close_matches(path.name, names, n=1)]
