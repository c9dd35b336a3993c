"""Builds of a store that left a result, by what people call them."""

from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.report.stored.result_file import (
    StoredResult,
    read_result,
    result_folders,
)
from quantgate.pipelines.specs.loading import did_you_mean


def find_result(build: str, store: Store) -> StoredResult:
    """Return a build's result by its name, any unambiguous beginning of it, or its report folder.

    Raises:
        InputError: where none or several have that name, or the result cannot be read.
    """
    folders = {folder.name: folder for folder in result_folders(store)}
    name = Path(build).name
    matches = [name] if name in folders else [each for each in folders if each.startswith(name)]
    if len(matches) == 1:
        return read_result(folders[matches[0]])
    if matches:
        listed = ", ".join(matches)
        raise InputError(
            f"several builds begin with '{name}': {listed}",
            where=str(store.root),
            next_step="give more of its name",
        )
    raise InputError(
        f"no build called '{name}' has a result{did_you_mean(name, list(folders))}",
        where=str(store.root),
        next_step="`quantgate report` lists builds; QUANTGATE_STORE says where to look",
    )
