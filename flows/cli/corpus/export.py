"""`quantgate corpus export`: a corpus's sequences as JSON lines."""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from quantgate.calibration.drawing.fetching import sequence_line
from quantgate.calibration.drawing.rendering import rendered_text
from quantgate.calibration.shelf.sealing import iterate_sequences
from quantgate.flows.build.corpora.finding import find_corpus
from quantgate.flows.build.corpora.sources import chat_of
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.disk.full import written_at
from quantgate.pipelines.report.wording import plural


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusExportOptions:
    """The command line of `quantgate corpus export`."""

    reference: str
    target: Path
    model: str | None = None


def export_command(options: CorpusExportOptions) -> int:
    """Write a corpus's sequences, or what a model sees of them, as JSON lines."""
    settings = Settings.from_environment()
    corpus = find_corpus(options.reference, settings)
    if options.target.is_dir() or not options.target.name:
        raise InputError(
            "is a folder, not a file to write",
            where=str(options.target),
            next_step="name a file, e.g. corpus.jsonl",
        )
    if options.model:
        lines = _rendered(corpus, chat_of(options.model, settings))
    else:
        lines = map(sequence_line, iterate_sequences(corpus))
    _write(lines, options.target)
    print(f"{options.target}: {plural(corpus.sequence_count, 'sequence')} of {corpus.label}")
    return 0


def _rendered(corpus: Corpus, chat: ChatFormat) -> Iterator[str]:
    for sequence in iterate_sequences(corpus):
        row = {"id": sequence.id, "text": rendered_text(sequence, chat)}
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _write(lines: Iterable[str], target: Path) -> None:
    """Write a file whole or not at all.

    Raises:
        InputError: where it cannot be written.
    """
    temporary = target.with_name(f".{target.name}.part")
    try:
        with written_at(target), temporary.open("w", encoding="utf-8") as file:
            file.writelines(lines)
        temporary.replace(target)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise InputError(
            f"cannot be written ({error.strerror})",
            where=str(target),
            next_step="name a place that can be written to",
        ) from error
    finally:
        with suppress(NotADirectoryError):
            temporary.unlink(missing_ok=True)
