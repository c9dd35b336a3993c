"""Resolve: what the user wrote becomes a checkpoint that was looked into and accepted, or a sentence why not.

Nothing here imports torch or runs a model. What is expensive on large checkpoints (hashing, looking for NaN)
is done once and remembered in the store.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.pipelines.checkpoints.architectures import REVIEWED_ARCHITECTURES, tool_refusals
from quantgate.pipelines.checkpoints.config import check_vocabulary, read_model_shape
from quantgate.pipelines.checkpoints.digests import checkpoint_digests
from quantgate.pipelines.checkpoints.hub_places import hub_place
from quantgate.pipelines.checkpoints.language_tensors import parts_beside
from quantgate.pipelines.checkpoints.lfs_pointers import refuse_lfs_pointers
from quantgate.pipelines.checkpoints.links import refuse_leaving_links
from quantgate.pipelines.checkpoints.listing import refuse_listing, refuse_pipes
from quantgate.pipelines.checkpoints.names import OWNER_MARK, folder_name, registrable_name
from quantgate.pipelines.checkpoints.neighbours import (
    neighbours_of,
    no_such_folder,
    refuse_unreachable,
)
from quantgate.pipelines.checkpoints.numerics import parameter_count
from quantgate.pipelines.checkpoints.soundness import scan_weights
from quantgate.pipelines.checkpoints.tools import GGUF_SUFFIX, CheckpointTools, LowBitFolder
from quantgate.pipelines.checkpoints.weights import check_weights
from quantgate.pipelines.domain.architectures import ToolArchitectures
from quantgate.pipelines.domain.checkpoint import (
    Checkpoint,
    FolderExpansion,
    GgufOrigin,
    StoredQuantization,
    TensorFacts,
)
from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.hashing import DigestMemory
from quantgate.pipelines.files.reading import at_home, is_folder, is_there, refuse_other_than_file
from quantgate.pipelines.files.sealed import verify
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.safetensors import StoredTensor, read_tensors, weight_files
from quantgate.pipelines.hub.source import CheckpointChecks, HubSettings, download, parse_hub_source
from quantgate.pipelines.process.calls import OnProgress, Progress, ignore_progress
from quantgate.pipelines.specs.foreign import HUB

_NO_TOOLS = CheckpointTools()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot:
    """A folder to look into, what to call it, and how to get digests of its files."""

    folder: Path
    source: str
    name: str
    file_digest: Callable[[Path], Digest]
    origin: GgufOrigin | None = None
    expansion: FolderExpansion | None = None
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

    `hub:org/name[@revision][:pattern]` means the only GGUF model there, or the only one that fits a pattern,
    where the repository is no checkpoint folder.

    `name` is what variants are registered under; None takes the folder's or the file's name, and of a
    repository its owner's and its own (`team-a--llama`). Without `tools` none is refused for its
    architecture, and no GGUF file is opened.

    Raises:
        InputError: there is no such folder, repository or revision.
        CheckpointError: the checkpoint is refused; one sentence and a next step.
        ServiceError: the hub does not answer or refuses.
    """
    path = at_home(source)
    if source.startswith(HUB):
        snapshot = _from_hub_place(source, store, hub, tools, on_progress)
    elif is_folder(path):
        snapshot = _local(path.resolve(), store)
    elif path.suffix == GGUF_SUFFIX and is_there(path):
        snapshot = _from_gguf(path.resolve(), store, tools, on_progress)
    else:
        snapshot = _from_hub(source, store, hub, tools.architectures, on_progress)
    return _accepted(snapshot, name=name, store=store, tools=tools, on_progress=on_progress)


def _local(folder: Path, store: Store) -> _Snapshot:
    memory = DigestMemory(store.digest_memory)
    return _Snapshot(
        folder=folder, source=str(folder), name=folder_name(folder), file_digest=memory.digest
    )


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
    refuse_other_than_file(file)
    opened = tools.open_gguf(file, tools.expansion, store, on_progress)
    return _Snapshot(
        folder=opened.folder,
        source=str(file),
        name=opened.name,
        file_digest=DigestMemory(store.digest_memory).digest,
        origin=opened.origin,
        notes=opened.notes,
    )


def _from_hub_place(
    text: str, store: Store, hub: HubSettings, tools: CheckpointTools, on_progress: OnProgress
) -> _Snapshot:
    place = hub_place(text, store=store, hub=hub, on_progress=on_progress)
    if place.gguf is None:
        return _from_hub(place.source, store, hub, tools.architectures, on_progress)
    opened = _from_gguf(place.gguf, store, tools, on_progress)
    owner = place.source.removeprefix(HUB).partition("/")[0]
    return replace(opened, source=place.source, name=f"{owner}{OWNER_MARK}{opened.name}")


def _from_hub(
    source: str,
    store: Store,
    hub: HubSettings,
    tools: Sequence[ToolArchitectures],
    on_progress: OnProgress,
) -> _Snapshot:
    refuse_unreachable(at_home(source))
    hub_source = parse_hub_source(source)
    if hub_source is None or is_there(Path(source)):
        raise no_such_folder(source)
    try:
        folder, manifest = download(
            hub_source, store=store, settings=hub, refusals=_checks(tools), on_progress=on_progress
        )
    except (InputError, ServiceError) as error:
        if neighbours := neighbours_of(source):
            error.next_step = f"did you mean the folder {neighbours[0]}?"
        raise
    memory = DigestMemory(store.digest_memory)
    verify(folder, manifest, memory.digest)
    return _Snapshot(
        folder=folder,
        source=f"{hub_source.repository}@{manifest.record.revision}",
        name=hub_source.repository.replace("/", OWNER_MARK),
        file_digest=memory.digest,
    )


def _accepted(
    snapshot: _Snapshot,
    *,
    name: str | None,
    store: Store,
    tools: CheckpointTools,
    on_progress: OnProgress,
) -> Checkpoint:
    """Look into the folder, cheap things first."""
    where = snapshot.source
    refuse_leaving_links(snapshot.folder, where=where)
    refuse_listing((path.name for path in snapshot.folder.iterdir()), where=where)
    refuse_pipes(snapshot.folder)
    refuse_lfs_pointers(snapshot.folder, where=where)
    shape = read_model_shape(snapshot.folder)
    file = snapshot.folder / "config.json"
    refusals = tool_refusals(shape.architecture, tools.architectures, where=str(file))
    if shape.quantization is not None and tools.expansion and tools.expand_folder:
        snapshot = _expanded(snapshot, shape.quantization, store, tools, on_progress)
        shape = read_model_shape(snapshot.folder)
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
        name=registrable_name(name or snapshot.name),
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
        expansion=snapshot.expansion,
        grid=grid if shape.quantization is None else None,
    )


def _expanded(
    snapshot: _Snapshot,
    stored: StoredQuantization,
    store: Store,
    tools: CheckpointTools,
    on_progress: OnProgress,
) -> _Snapshot:
    """Return a low-bit folder in bfloat16, with what it was made of and why."""
    assert tools.expand_folder is not None
    digests = checkpoint_digests(snapshot.folder, snapshot.file_digest)
    low_bit = LowBitFolder(
        folder=snapshot.folder, name=snapshot.name, digest=digests.combined, stored=stored
    )
    return replace(
        snapshot,
        folder=tools.expand_folder(low_bit, store, on_progress),
        file_digest=DigestMemory(store.digest_memory).digest,
        expansion=FolderExpansion(
            folder=low_bit.folder,
            digest=low_bit.digest,
            stored_as=stored.short,
            reason=tools.expansion or "",
        ),
    )


def _main_dtype(tensors: Sequence[StoredTensor]) -> str:
    """The type that most parameters have, as safetensors spells it."""
    counts: Counter[str] = Counter()
    for tensor in tensors:
        counts[tensor.dtype] += tensor.parameter_count
    return counts.most_common(1)[0][0]
