"""The seam to the tools that take part in resolving: what knows architectures, what opens GGUF files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.architectures import ToolArchitectures
from quantgate.pipelines.domain.checkpoint import GgufOrigin, StoredQuantization
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress

GGUF_SUFFIX = ".gguf"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedGguf:
    """A GGUF file as a checkpoint: a sealed `folder` of the store, its name, and what it was made of.

    `notes` say what of the file nothing was made of.
    """

    folder: Path
    name: str
    origin: GgufOrigin
    notes: tuple[str, ...] = ()


OpenGguf = Callable[[Path, str | None, Store, OnProgress], OpenedGguf]
"""Returns a GGUF file as a checkpoint, made once. Low-bit weights are expanded where a reason is given.

It raises `CheckpointError` for what cannot be a checkpoint: low-bit without a reason, truncated, of another
kind.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LowBitFolder:
    """A checkpoint folder that is low-bit already, what it is called, and the digest of all of it."""

    folder: Path
    name: str
    digest: Digest
    stored: StoredQuantization


ExpandFolder = Callable[[LowBitFolder, Store, OnProgress], Path]
"""Returns a sealed folder of the store with the same checkpoint in bfloat16, made once.

It raises `CheckpointError` for weights that are not what their layout says.
"""


def refuse_gguf(
    file: Path, _expansion: str | None, _store: Store, _on_progress: OnProgress
) -> OpenedGguf:
    """Refuse every GGUF file: nothing here opens them.

    Raises:
        CheckpointError: always.
    """
    raise CheckpointError(
        "is a GGUF file, and a checkpoint folder is needed here",
        where=str(file),
        next_step="name the checkpoint the GGUF was made from",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointTools:
    """What of a machine's tools takes part in resolving a checkpoint.

    One of `architectures` at least has to have the checkpoint's; without any, none is refused for it.
    `expansion` is why low-bit GGUF files and, where `expand_folder` is given, low-bit folders are expanded;
    None: they are not.
    """

    architectures: Sequence[ToolArchitectures] = ()
    open_gguf: OpenGguf = refuse_gguf
    expand_folder: ExpandFolder | None = None
    expansion: str | None = None
