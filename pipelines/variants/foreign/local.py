"""Quants on this machine: a file, a folder, a folder of files, or a pattern."""

import stat
from collections.abc import Iterator
from glob import has_magic
from pathlib import Path

from quantgate.pipelines.checkpoints.lfs_pointers import is_lfs_pointer
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.files.reading import is_folder
from quantgate.pipelines.formats.gguf.parts import first_parts, gguf_files
from quantgate.pipelines.variants.foreign.candidates import (
    GGUF_SUFFIX,
    Candidate,
    model_name,
    nearest_names,
)

_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_SAFETENSORS = ".safetensors"


def local_candidates(text: str) -> tuple[Candidate, ...]:
    """Return what a path, or a pattern of paths, leads to.

    Raises:
        InputError: where it leads nowhere.
        CheckpointError: where a file is none that could be a quant.
    """
    path = Path(text)
    if is_folder(path):
        return tuple(_in_folder(path.resolve()))
    if path.is_file() or path.is_symlink():
        return tuple(_file(Path(first), picked=False) for first in first_parts([text]))
    if path.exists():
        raise CheckpointError(
            "is neither a file nor a folder", where=text, next_step="name a GGUF file or a folder"
        )
    paths = (
        sorted(Path(path.anchor).glob(text.removeprefix(path.anchor))) if has_magic(text) else []
    )
    fitting = [each for each in paths if is_folder(each) or each.name.endswith(GGUF_SUFFIX)]
    if not fitting:
        raise _nothing_there(path)
    folders = [_folder(each.resolve(), picked=True) for each in fitting if is_folder(each)]
    files = [str(each) for each in fitting if not is_folder(each)]
    return (*(_file(Path(file), picked=True) for file in first_parts(files)), *folders)


def _in_folder(folder: Path) -> Iterator[Candidate]:
    """A folder of GGUF files and nothing else to load is a shelf of them; any other is one quant."""
    names = sorted(entry.name for entry in folder.iterdir())
    ggufs = [name for name in names if name.endswith(GGUF_SUFFIX)]
    if not ggufs or "config.json" in names or any(name.endswith(_SAFETENSORS) for name in names):
        yield _folder(folder, picked=False)
    for name in first_parts(ggufs):
        yield _file(folder / name, picked=True)


def _folder(folder: Path, *, picked: bool) -> Candidate:
    return Candidate(path=folder, source=str(folder), name=folder.name, picked=picked)


def _file(file: Path, *, picked: bool) -> Candidate:
    """The name that a file goes by counts, links aside: the hub's own cache names files by their content."""
    where = str(file)
    if file.name.endswith(_PICKLED):
        raise CheckpointError(
            "is pickled, which can run code when it is loaded",
            where=where,
            next_step="name a GGUF file, or a folder of safetensors",
        )
    if not file.name.endswith(GGUF_SUFFIX):
        hint = "name the folder it stands in" if file.name.endswith(_SAFETENSORS) else _NEXT
        raise CheckpointError(f"does not end in {GGUF_SUFFIX}", where=where, next_step=hint)
    gguf_files(file)
    if not file.exists() or not stat.S_ISREG(file.stat().st_mode):
        raise CheckpointError("leads to no file", where=where, next_step="fetch it again")
    if is_lfs_pointer(file):
        raise CheckpointError(
            "is a git-lfs pointer: the clone holds its name and checksum, and not the file",
            where=where,
            next_step=f"fetch it: git -C {file.parent} lfs pull",
        )
    absolute = file.absolute()
    return Candidate(path=absolute, source=str(absolute), name=model_name(file.name), picked=picked)


def _nothing_there(path: Path) -> InputError:
    parent = path.parent
    names = (
        [entry.name for entry in sorted(parent.iterdir()) if _may_be_a_quant(entry)]
        if is_folder(parent)
        else []
    )
    what = "matches nothing" if has_magic(str(path)) else "there is no such file or folder"
    hint = f"in {parent} {nearest_names(path.name, names)}" if is_folder(parent) else _NEXT
    return InputError(what, where=str(path), next_step=hint)


def _may_be_a_quant(entry: Path) -> bool:
    return entry.name.endswith(GGUF_SUFFIX) or is_folder(entry)


_NEXT = "name a GGUF file, a folder of a quant, or hub:org/name[@revision][:pattern]"
