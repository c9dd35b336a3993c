"""Child process: where personal data stands in the sequences of a JSON-lines file."""

import bisect
import json
import os
import sys
from collections.abc import Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING

from quantgate.calibration.redaction.messages import DetectCall, Detected
from quantgate.calibration.redaction.texts import PlacedText, parts_of
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.files.records import from_json_text
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

if TYPE_CHECKING:
    from quantgate.calibration.workers.detector import Detector

_BETWEEN = "\n\x1f\n"
"""Stands between parts: no pattern reaches across it, and words before it still count as context."""
_WRITE_EVERY = 500
_NEEDS_TORCH = "_trf"
"""How the names of spaCy's transformer models end."""


def detect(call: DetectCall, on_progress: OnProgress) -> Detected:
    """Write one line of findings for each sequence.

    Raises:
        ToolchainError: where presidio or the named model is not installed.
    """
    done = _kept_lines(call.findings)
    detector = _detector(call)
    count = done
    with call.findings.open("a", encoding="utf-8") as output:
        for sequence in islice(_sequences(call.sequences), done, None):
            output.write(json.dumps(_findings_of(detector, parts_of(sequence))) + "\n")
            count += 1
            if count % _WRITE_EVERY == 0:
                output.flush()
                on_progress(Progress(done=count, total=0, what="looking for personal data"))
    return Detected(sequences=count, looked_through=count - done)


def _findings_of(detector: "Detector", parts: list[PlacedText]) -> list[JsonValue]:
    """Read all parts as one text; what would reach over a boundary is cut there."""
    begins = [0, *accumulate(len(part.text) + len(_BETWEEN) for part in parts)]
    lines: list[JsonValue] = []
    for finding in detector.findings(_BETWEEN.join(part.text for part in parts)):
        first = bisect.bisect_right(begins, finding.start) - 1
        for index in range(first, len(parts)):
            start = max(finding.start - begins[index], 0)
            end = min(finding.end - begins[index], len(parts[index].text))
            if finding.end <= begins[index]:
                break
            if start < end:
                lines.append([index, start, end, finding.entity, finding.score])
    return lines


def _kept_lines(path: Path) -> int:
    """Count the whole lines of an earlier, interrupted call, and cut off what follows them."""
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        lines, whole = 0, 0
        for line in file:
            if line.endswith(b"\n"):
                lines, whole = lines + 1, whole + len(line)
        file.truncate(whole)
    return lines


def _sequences(path: Path) -> Iterator[CorpusSequence]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield from_json_text(CorpusSequence, line)


def _detector(call: DetectCall) -> "Detector":
    os.environ["PRESIDIO_DEVICE"] = "cpu"
    if call.ner_model is None or not call.ner_model.rstrip("/").endswith(_NEEDS_TORCH):
        # spaCy and presidio import these where they find them, for seconds and 400 MB
        for module in ("torch", "transformers"):
            sys.modules.setdefault(module, None)  # type: ignore[arg-type]  # None: "not there" to import
    try:
        from quantgate.calibration.workers.detector import Detector  # noqa: PLC0415  # torch has to be hidden first
    except ImportError as error:
        raise ToolchainError(
            f"presidio is not usable here ({error})", next_step="run `make setup-redaction`"
        ) from error
    try:
        return Detector(call)
    except OSError as error:
        raise ToolchainError(
            f"the spaCy model '{call.ner_model}' cannot be loaded ({error})",
            next_step="install it into .venv, or name a folder that holds one",
        ) from error


if __name__ == "__main__":
    serve(detect, DetectCall)
