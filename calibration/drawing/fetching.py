"""Drawn rows read again by their place and written as sequences, with what a card says of them."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pydantic import TypeAdapter

from quantgate.calibration.drawing.parts import FetchCall, Fetched
from quantgate.calibration.drawing.scanning import Preparer, name_languages
from quantgate.calibration.sources.readers import RowNumbers, fetch
from quantgate.calibration.sources.rows import Place, SourceRow
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.process.calls import OnProgress, Progress, ignore_progress
from quantgate.pipelines.specs.chat_messages import plain_message

_BATCH_ROWS = 1024
_sequence = TypeAdapter(CorpusSequence)


def fetch_rows(call: FetchCall, on_progress: OnProgress = ignore_progress) -> Fetched:
    """Write the sequences of a fetch call, in its order.

    Raises:
        InputError: where a row is no longer what it was when it was scanned.
    """
    source = call.source
    places = [Place(*place) for place in call.places]
    raws = fetch(source.path, source.kind, places)
    preparer = Preparer(call.spec, source.spec)
    numbers = RowNumbers(source.path, source.kind)
    done = 0
    with call.output.open("w", encoding="utf-8") as output:
        while batch := [_prepared(preparer, raw, source.path) for raw in islice(raws, _BATCH_ROWS)]:
            name_languages(batch)
            for row, place in zip(batch, places[done:], strict=False):
                row.identifier = row.identifier or f"{source.stem}:{numbers.of(place.position)}"
            for row in batch:
                output.write(sequence_line(row.sequence(source=source.spec.name)))
            done += len(batch)
            on_progress(Progress(done=done, total=len(places), what="reading drawn rows"))
    if done != len(places):
        raise InputError(
            "was changed while it was read",
            where=str(source.path),
            next_step="run the same command again once nobody writes to it",
        )
    return Fetched(sequences=done)


def sequence_line(sequence: CorpusSequence) -> str:
    """Return a sequence as a line of JSON; keys of tools and calls stay in order, which models see."""
    plain: JsonObject = {
        "id": sequence.id,
        "messages": [plain_message(message) for message in sequence.messages],
        "text": sequence.text,
        "tools": list(sequence.tools),
        "source": sequence.source,
        "language": sequence.language,
        "domain": sequence.domain,
    }
    kept = {key: value for key, value in plain.items() if value}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


def read_sequence_lines(path: Path) -> Iterator[CorpusSequence]:
    """Yield the sequences of a file of such lines, one in memory at a time.

    Raises:
        OSError, pydantic.ValidationError: where it is not such a file.
    """
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield _sequence.validate_json(line)


def _prepared(preparer: Preparer, raw: JsonObject, path: Path) -> SourceRow:
    row = preparer.prepare(raw)
    if isinstance(row, str):
        raise InputError(
            "was changed while it was read",
            where=str(path),
            next_step="run the same command again once nobody writes to it",
        )
    return row
