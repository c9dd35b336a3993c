"""Logs of inspect-ai: `.eval` archives (a zip of JSON documents, deflated or by zstd) and `.json` files."""

import io
import struct
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.domain.values import JsonObject, JsonValue, digest_of
from quantgate.pipelines.evaluation.logs.answers import LoggedAnswer, LoggedRun
from quantgate.pipelines.evaluation.logs.lines import (
    json_document,
    names_at,
    object_at,
    texts_at,
)

TOOL = "inspect-ai"
_HEADER, _SAMPLES = "header.json", "samples/"
_ZSTANDARD = 93
_LOCAL_HEADER = struct.Struct("<26xHH")
_RIGHT, _WRONG = ("C", True, 1), ("I", "N", "P", False, 0)
"""Values of inspect's scorers (`inspect_ai/scorer/_metric.py`): correct; incorrect, no answer, partly."""


def is_inspect(document: JsonObject) -> bool:
    """Whether a document is a log of inspect-ai as JSON."""
    return {"eval", "samples", "status"} <= document.keys()


def read_inspect(path: Path) -> LoggedRun:
    """Read an `.eval` archive.

    Raises:
        InputError: it is none, or a member is damaged.
        ToolchainError: it is compressed by zstd, and the package zstandard is not installed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            documents = dict(_documents(archive, path))
    except zipfile.BadZipFile as error:
        raise InputError(
            "is no log of inspect-ai (not a zip archive)",
            where=str(path),
            next_step="name a file that ends in .eval, as inspect-ai wrote it",
        ) from error
    if _HEADER not in documents:
        raise InputError(
            f"is no finished log of inspect-ai: {_HEADER} is missing",
            where=str(path),
            next_step="let inspect-ai finish the run, then name its log",
        )
    samples = [text for name, text in documents.items() if name.startswith(_SAMPLES)]
    return inspect_run(documents[_HEADER], samples, path)


def inspect_run(header: JsonObject, samples: Sequence[JsonValue], path: Path) -> LoggedRun:
    """Return the run of a header and its samples; epochs after the first are repeats.

    An item that has fewer epochs than others repeats its first answer: nothing shows it as unstable.
    """
    epochs: dict[int, list[LoggedAnswer]] = defaultdict(list)
    scorers: dict[str, None] = {}
    for sample in samples:
        if isinstance(sample, dict):
            answer, scorer = _answer(sample)
            epoch = sample.get("epoch")
            epochs[epoch if isinstance(epoch, int) else 1].append(answer)
            scorers.setdefault(scorer)
    first, *others = [tuple(epochs[number]) for number in sorted(epochs)] or [()]
    return LoggedRun(
        tool=TOOL,
        model=str(object_at(header, "eval").get("model", "")),
        grader=", ".join(name for name in scorers if name),
        answers=first,
        source=path,
        repeats=tuple(_filled(first, other) for other in others),
    )


def _filled(
    first: Sequence[LoggedAnswer], other: Sequence[LoggedAnswer]
) -> tuple[LoggedAnswer, ...]:
    again = {answer.id: answer for answer in other}
    return tuple(again.get(answer.id, answer) for answer in first)


def _answer(sample: JsonObject) -> tuple[LoggedAnswer, str]:
    choices = object_at(sample, "output").get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    scores = object_at(sample, "scores")
    scorer = next(iter(scores), "")
    score = object_at(scores, scorer)
    value = score.get("value")
    metadata = object_at(sample, "metadata")
    answer = LoggedAnswer(
        id=str(sample.get("id")),
        text=texts_at(object_at(choice, "message").get("content")),
        asked=digest_of(sample.get("input")),
        correct=True if value in _RIGHT else False if value in _WRONG else None,
        reason=str(score.get("explanation") or ""),
        slices=names_at(metadata.get("slices") or metadata.get("category")),
        expected=sample.get("target"),
        cut_off=object_at(choice).get("stop_reason") == "max_tokens",
    )
    return answer, scorer


def _documents(archive: zipfile.ZipFile, path: Path) -> Iterator[tuple[str, JsonObject]]:
    for member in archive.infolist():
        name = member.filename
        if name == _HEADER or (name.startswith(_SAMPLES) and name.endswith(".json")):
            text = _intact(archive, member, path).decode("utf-8", errors="replace")
            yield name, json_document(text, f"{path}: {name}")


def _intact(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> bytes:
    try:
        return _bytes(archive, member, path)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError) as error:
        raise InputError(
            f"{member.filename} is damaged",
            where=str(path),
            next_step="copy the log again from where it was written",
        ) from error


def _bytes(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> bytes:
    """Return a member; Python 3.11 reads no zstd, so its bytes are taken as they stand."""
    if member.compress_type != _ZSTANDARD:
        return archive.read(member)
    try:
        import zstandard
    except ModuleNotFoundError as error:
        raise ToolchainError(
            "is compressed by zstd, and the package zstandard is not installed",
            where=str(path),
            next_step="pip install zstandard",
        ) from error
    with path.open("rb") as file:
        file.seek(member.header_offset)
        name_length, extra_length = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        file.seek(name_length + extra_length, io.SEEK_CUR)
        packed = file.read(member.compress_size)
    reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
    try:
        unpacked = bytes(reader.read())
    except zstandard.ZstdError as error:
        raise zipfile.BadZipFile(str(error)) from error
    if zlib.crc32(unpacked) != member.CRC:  # a stream that is cut off ends without an error
        raise zipfile.BadZipFile("its checksum is another")
    return unpacked
