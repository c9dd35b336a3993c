"""What a user may have meant who named a checkpoint that is not there."""

import difflib
import errno
from pathlib import Path

from quantgate.pipelines.checkpoints.tools import GGUF_SUFFIX
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.reading import at_home, is_folder, is_there


def no_such_folder(source: str) -> InputError:
    """Return the error for a source that leads nowhere, with what may be meant."""
    if is_there(Path(source)):
        return InputError(
            "is a file, not a checkpoint folder",
            where=source,
            next_step="name a .gguf file, or the folder of config.json, tokenizer.json and the weights",
        )
    neighbours = neighbours_of(source)
    hint = f"did you mean {neighbours[0]}?" if neighbours else "name a folder or org/name@revision"
    kind = "file" if source.endswith(GGUF_SUFFIX) else "folder"
    return InputError(f"there is no such {kind}", where=source, next_step=hint)


def refuse_unreachable(path: Path) -> None:
    """Refuse what stands here and cannot be got at: it is no id of a hub for that.

    Raises:
        InputError: it is behind a folder without rights, or a link that leads nowhere.
    """
    try:
        path.stat()
    except PermissionError as error:
        raise InputError(
            f"cannot be looked at ({error.strerror})",
            where=str(path),
            next_step="have its owner let you in, or name another place",
        ) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG or not path.is_symlink():
            return
        raise InputError(
            f"is a link that leads nowhere ({error.strerror})",
            where=str(path),
            next_step=f"it points at {path.readlink()}: fetch that again, or name another place",
        ) from error


def neighbours_of(source: str) -> list[str]:
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
