"""Git-lfs pointers: what stands in a clone where the file itself was never fetched.

Format (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md): a text of less than 1024 bytes whose first
line is `version https://git-lfs.github.com/spec/v1`.
"""

from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError

_FIRST = b"version https://git-lfs.github.com/spec/v"
_LONGEST_BYTES = 1024
_SHOWN = 3


def refuse_lfs_pointers(folder: Path, *, where: str) -> None:
    """Refuse a folder in which any file is a pointer, before one of them is read for what its name says.

    Raises:
        CheckpointError: naming the first of them, and the command that fetches what they stand for.
    """
    pointers = sorted(
        entry.name for entry in folder.iterdir() if entry.is_file() and is_lfs_pointer(entry)
    )
    if not pointers:
        return
    more = f" and {len(pointers) - _SHOWN} more" if len(pointers) > _SHOWN else ""
    are = "is a git-lfs pointer" if len(pointers) == 1 else "are git-lfs pointers"
    raise CheckpointError(
        f"{', '.join(pointers[:_SHOWN])}{more} {are}: the clone holds their names and checksums, and not "
        "the files",
        where=where,
        next_step=f"fetch them: git -C {folder} lfs pull",
    )


def is_lfs_pointer(file: Path) -> bool:
    """Whether a file is a pointer and not what its name says."""
    if file.stat().st_size >= _LONGEST_BYTES:
        return False
    with file.open("rb") as opened:
        return opened.read(len(_FIRST)) == _FIRST
