"""Redaction of personal data in corpora: found in a child process, counted, and replaced where enforced.

What was found is kept as positions, never as text, by the digest of rows, options and packages: an
interrupted look goes on where it was, and the same rows are never looked through twice.
"""

import importlib.metadata
import importlib.util
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quantgate.calibration.redaction.entities import problems_of, selected_entities
from quantgate.calibration.redaction.messages import DetectCall, Detected
from quantgate.calibration.redaction.options import RedactionOptions, RedactionReport
from quantgate.calibration.redaction.replacing import EntityFinding, Replacer, remains
from quantgate.calibration.redaction.tally import EntityTally
from quantgate.calibration.redaction.texts import PlacedText, changed, parts_of
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.domain.values import JsonValue, digest_of
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.records import from_json_text, to_json
from quantgate.pipelines.files.sealed import produce_once, verify
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall, ignore_progress

_WORKER = "quantgate.calibration.workers.redact"
_FINDINGS = "findings.jsonl"
_PACKAGES = ("presidio-analyzer", "phonenumbers", "tldextract", "spacy")
_KEY_LENGTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionResult:
    """The sequences as they go on (replaced under `enforce`, else the same) and what was found in them."""

    sequences: tuple[CorpusSequence, ...]
    report: RedactionReport


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsRecord:
    """What stands in the manifest of kept findings."""

    sequences: int
    detector: str


def is_installed(module: str) -> bool:
    """Whether a module can be imported here, without importing it."""
    return importlib.util.find_spec(module) is not None


def missing(
    options: RedactionOptions, installed: Callable[[str], bool] = is_installed
) -> str | None:
    """Return None when the packages that these options need are here, else one sentence with the command."""
    if options.mode == "off" or (installed("presidio_analyzer") and installed("spacy")):
        return None
    return "presidio is not installed, which finds personal data: run `make setup-redaction`"


def redact(
    sequences: Iterable[CorpusSequence],
    options: RedactionOptions,
    *,
    run_worker: RunWorker,
    folder: Path,
    on_progress: OnProgress = ignore_progress,
) -> RedactionResult:
    """Look for personal data in sequences and, where enforced, replace it; see `redact_file`."""
    with _private(folder) as private:
        source, destination = private / "rows.jsonl", private / "redacted.jsonl"
        with source.open("w", encoding="utf-8") as file:
            for sequence in sequences:
                file.write(_line(sequence))
        report = redact_file(
            source,
            destination,
            options,
            run_worker=run_worker,
            folder=folder,
            on_progress=on_progress,
        )
        return RedactionResult(sequences=tuple(_rows(destination)), report=report)


def redact_file(
    source: Path,
    destination: Path,
    options: RedactionOptions,
    *,
    run_worker: RunWorker,
    folder: Path,
    on_progress: OnProgress = ignore_progress,
) -> RedactionReport:
    """Write the rows of `source` (JSON lines of sequences) to `destination`, redacted where enforced.

    `folder` keeps findings. Memory does not grow with the file. `off` starts no child.

    Raises:
        InputError: where the options name what is not known, or kept findings were altered.
        ToolchainError: where presidio or the named model is not installed.
        WorkerError: where the child fails.
    """
    if problems := problems_of(options):
        raise InputError(
            "\n  ".join(["cannot be used:", *problems]),
            where="redaction",
            next_step="mend `redaction:` in the spec",
        )
    if sentence := missing(options):
        raise ToolchainError(sentence, next_step="`make doctor` says more")
    detector = "" if options.mode == "off" else _detector()
    kept = (
        None
        if options.mode == "off"
        else _findings(source, options, run_worker=run_worker, folder=folder, progress=on_progress)
    )
    tally = EntityTally()
    with destination.open("w", encoding="utf-8") as output:
        for sequence, findings in _with_findings(source, kept):
            parts = parts_of(sequence) if findings else []
            tally.count(sequence, parts, findings)
            enforced = options.mode == "enforce" and findings
            output.write(
                _line(_replaced(sequence, parts, findings, options) if enforced else sequence)
            )
    return tally.report(options, detector)


@contextmanager
def _private(folder: Path) -> Iterator[Path]:
    """Give a folder that its owner alone may read; what a killed process left there is removed first."""
    place = folder / ".rows"
    with exclusive(folder / ".rows.lock"):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700, parents=True)
        try:
            yield place
        finally:
            shutil.rmtree(place)


def _findings(
    source: Path,
    options: RedactionOptions,
    *,
    run_worker: RunWorker,
    folder: Path,
    progress: OnProgress,
) -> Path:
    """Return the file of findings for these rows, looking only where nobody has."""
    call = _call(source, options)
    code = source_digest(_WORKER, "quantgate.calibration.redaction.replacing")
    key = digest_of([file_digest(source), _detector(), code, _asked(call)])[:_KEY_LENGTH]
    place = folder / key

    def produce(staging: Path) -> FindingsRecord:
        unfinished = folder / f".{key}.unfinished.jsonl"
        reply = run_worker(
            WorkerCall(
                module=_WORKER,
                request=_call(source, options, unfinished),
                log=folder / "logs" / f"{key}.log",
                threads=1,
            ),
            Detected,
            progress,
        )
        unfinished.rename(staging / _FINDINGS)
        return FindingsRecord(sequences=reply.value.sequences, detector=_detector())

    verify(place, produce_once(place, FindingsRecord, produce))
    return place / _FINDINGS


def _call(source: Path, options: RedactionOptions, findings: Path = Path()) -> DetectCall:
    asked = selected_entities(options)
    return DetectCall(
        sequences=source,
        findings=findings,
        recognizers=asked.recognizers,
        names=asked.names,
        phone_regions=asked.phone_regions,
        phone_words=asked.phone_words,
        threshold=options.threshold,
        ner_model=options.ner_model,
    )


def _asked(call: DetectCall) -> JsonValue:
    """Return what decides the findings: neither paths nor what is done with them."""
    fields = to_json(call)
    assert isinstance(fields, dict)
    return {name: fields[name] for name in fields if name not in {"sequences", "findings"}}


def _with_findings(
    source: Path, findings: Path | None
) -> Iterator[tuple[CorpusSequence, dict[int, list[EntityFinding]]]]:
    """Yield every row with what was found in it, by part."""
    if findings is None:
        yield from ((sequence, {}) for sequence in _rows(source))
        return
    with findings.open(encoding="utf-8") as lines:
        for sequence, line in zip(_rows(source), lines, strict=True):
            by_part: dict[int, list[EntityFinding]] = {}
            for part, start, end, entity, score in json.loads(line):
                finding = EntityFinding(entity=entity, start=start, end=end, score=score)
                by_part.setdefault(part, []).append(finding)
            yield sequence, by_part


def _replaced(
    sequence: CorpusSequence,
    parts: list[PlacedText],
    findings: dict[int, list[EntityFinding]],
    options: RedactionOptions,
) -> CorpusSequence:
    by_part = [findings.get(index, []) for index in range(len(parts))]
    replacer = Replacer(
        style=options.replacement, seed=remains([part.text for part in parts], by_part)
    )
    in_order = iter(by_part)

    def change(part: PlacedText) -> str:
        return replacer.replaced(part.text, next(in_order), is_number=part.is_number)

    return changed(sequence, change)


def _rows(path: Path) -> Iterator[CorpusSequence]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield from_json_text(CorpusSequence, line)


def _line(sequence: CorpusSequence) -> str:
    """Return a row as a line of text.

    Raises:
        InputError: where it holds what no text can.
    """
    line = json.dumps(to_json(sequence), ensure_ascii=False) + "\n"
    try:
        line.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"row '{sequence.id}' holds half a character (a lone surrogate)",
            where=sequence.source or "redaction",
            next_step="write it as valid Unicode, or leave the row out",
        ) from error
    return line


def _detector() -> str:
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
