"""GGUF files in parts: what `llama-gguf-split` writes of a model too large for one file.

Source: `llama_split_path` and `llama_split_prefix` in src/llama.cpp, and tools/gguf-split/gguf-split.cpp.
Parts are called `NAME-00001-of-00003.gguf`; each holds tensors of its own and says in `split.no` (from 0) and
`split.count` which it is. All other metadata stands in the first, which is the one that llama.cpp is given.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.formats.gguf.header import GgufHeader, read_gguf_header

_PART_KEYS = ("split.no", "split.count", "split.tensors.count")
"""Metadata that says which part of a model a file is."""

_NAME = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
_AGAIN = "fetch all parts into one folder, under the names they were given"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartName:
    """What the name of a part says: of which model, the how many'th (from 1), of how many."""

    stem: str
    number: int
    count: int

    def of(self, number: int) -> str:
        """Return the name of another part of the same model."""
        return part_name(self.stem, number, self.count)


def part_name(stem: str, number: int, count: int) -> str:
    """Return what a part is called; llama.cpp finds the others by these names."""
    return f"{stem}-{number:05d}-of-{count:05d}.gguf"


def read_part_name(name: str) -> PartName | None:
    """Read the name of a part; None where it is that of a whole file."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return PartName(stem=match["stem"], number=int(match["number"]), count=int(match["count"]))


def first_parts(names: Iterable[str]) -> tuple[str, ...]:
    """Return one name for each model: of those in parts that of the first, whichever were named."""
    firsts: dict[str, None] = {}
    for name in names:
        folder, slash, last = name.rpartition("/")
        part = read_part_name(last)
        firsts[folder + slash + (part.of(1) if part else last)] = None
    return tuple(firsts)


def gguf_files(file: Path) -> tuple[Path, ...]:
    """Return all files of a model, of which one is named: itself, or every part in order.

    Raises:
        CheckpointError: where a part is missing.
    """
    named = read_part_name(file.name)
    if named is None:
        return (file,)
    parts = tuple(file.with_name(named.of(number)) for number in range(1, named.count + 1))
    lacking = [part.name for part in parts if not part.is_file()]
    if lacking or not parts:
        raise CheckpointError(
            f"{', '.join(lacking[:3]) or 'every part'} of its {named.count} parts is missing",
            where=str(file),
            next_step=_AGAIN,
        )
    return parts


def read_all_headers(file: Path, *, longest_list: int | None = None) -> GgufHeader:
    """Read the header of a GGUF file, of all parts where it is one of several: as if it were whole.

    `longest_list` as in `read_gguf_header`, for the metadata, which stands in the first part.

    Raises:
        CheckpointError: as `read_gguf_header`; where a part is missing, or is not the one its name says.
    """
    files = gguf_files(file)
    limit = {} if longest_list is None else {"longest_list": longest_list}
    headers = [read_gguf_header(part, **limit) for part in files]
    for number, (part, header) in enumerate(zip(files, headers, strict=True)):
        _require_number(part, header, number, len(files))
    first = headers[0]
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    promised = first.metadata.get("split.tensors.count", len(tensors))
    if len(files) > 1 and len({tensor.name for tensor in tensors}) != promised:
        raise CheckpointError(
            f"has {len(tensors)} tensors in its parts, and the first says {promised}",
            where=str(file),
            next_step=_AGAIN,
        )
    metadata = {key: value for key, value in first.metadata.items() if key not in _PART_KEYS}
    return GgufHeader(metadata=metadata, tensors=tensors)


def _require_number(part: Path, header: GgufHeader, number: int, count: int) -> None:
    """Hold what a part says of itself against its name."""
    said = header.metadata.get("split.no", 0), header.metadata.get("split.count", 1)
    if said == (number, count) or (count == 1 and said[1] in (0, 1)):
        return
    raise CheckpointError(
        f"says that it is part {_ordinal(said[0])} of {said[1]}, and its name does not",
        where=str(part),
        next_step=_AGAIN,
    )


def _ordinal(number: JsonValue) -> int:
    return number + 1 if isinstance(number, int) else 0
