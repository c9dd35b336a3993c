"""Observations: what has to be measured of an answer before it can be graded, made once and sealed.

Running tests, checking a formula or asking a judge is neither pure nor free. A child process looks at all
answers of a run that share a grader and writes one JSON line for each; the lines are sealed under the
identity of what was looked at, so that grading again, in any process, reads them.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.values import Digest, JsonObject, JsonValue, digest_of
from quantgate.pipelines.engines.http.patience import Patience
from quantgate.pipelines.evaluation.graders.protocol import Observer
from quantgate.pipelines.files.records import to_json, write_text
from quantgate.pipelines.files.sealed import produce_once, read_manifest, verify
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall

_LINES = "observations.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveCall:
    """Look at JSONL `questions` (`{"id": str, "question": any}`), append to JSONL `observations`.

    Each line is `{"id": str, "observation": any}`; ids that the file holds already are left alone, so
    that an interrupted call goes on. `options` are the grader's.
    """

    questions: Path
    observations: Path
    options: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveTally:
    """How many questions were looked at by this call."""

    observed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a worker is to look at for one answer."""

    id: str
    question: JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationRecord:
    """What stands in the manifest of sealed observations.

    `questions_digest` covers what was looked at: answers and what the grader holds them against, whatever
    machine, options and versions looked. None in those from before it was recorded.
    """

    grader: str
    source_digest: Digest
    questions: int
    questions_digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationRunner:
    """Where observations are kept and who runs the workers."""

    store: Store
    run_worker: RunWorker
    threads: int = 1

    def observe(
        self, grader: Observer, questions: Sequence[Question], on_progress: OnProgress
    ) -> Mapping[str, JsonValue]:
        """Return the observation of every question by its id.

        Raises:
            InputError: where sealed observations were altered.
            ToolchainError, ServiceError, WorkerError: from the worker; what it observed is kept.
        """
        asked = [to_json(question) for question in questions]
        source = source_digest(grader.worker)
        key = digest_of([grader.name, grader.options, source, asked])
        folder = self.store.observations(grader.name, key)
        unfinished = folder.with_name(f"{folder.name}.unfinished")

        def produce(staging: Path) -> ObservationRecord:
            call = self._call(grader, asked, unfinished)
            self.run_worker(call, ObserveTally, on_progress)
            observations = _read(unfinished / _LINES)
            missing = [question.id for question in questions if question.id not in observations]
            if missing:
                raise WorkerError(
                    f"{len(missing)} answers were not observed, the first is '{missing[0]}'",
                    where=grader.name,
                    log=call.log,
                )
            rows: list[JsonValue] = [
                {"id": question.id, "observation": observations[question.id]}
                for question in questions
            ]
            write_text(staging / _LINES, _lines(rows))
            return ObservationRecord(
                grader=grader.name,
                source_digest=source,
                questions=len(questions),
                questions_digest=digest_of(asked),
            )

        produce_once(folder, ObservationRecord, produce)
        shutil.rmtree(unfinished, ignore_errors=True)
        verify(folder, read_manifest(folder, ObservationRecord))
        return _read(folder / _LINES)

    def _call(self, grader: Observer, asked: Sequence[JsonValue], folder: Path) -> WorkerCall:
        """Write the questions, and return the call that leaves their observations in the same folder."""
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "questions.jsonl", _lines(asked))
        return WorkerCall(
            module=grader.worker,
            request=ObserveCall(
                questions=folder / "questions.jsonl",
                observations=folder / _LINES,
                options=grader.options,
            ),
            log=self.store.logs / f"{folder.stem}.log",
            waits_seconds=_waits_seconds(grader.options),
            threads=self.threads,
        )


def _waits_seconds(options: JsonObject) -> float:
    """Return for how long a program may sleep, or a judge be asked, over one answer."""
    seconds, retries = options.get("seconds"), options.get("retries")
    if not isinstance(seconds, int | float):
        return 0.0
    if isinstance(retries, int):
        return Patience(tries=retries + 1).longest_seconds(seconds)
    return 2.0 * seconds


def _lines(rows: Sequence[JsonValue]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _read(path: Path) -> dict[str, JsonValue]:
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    rows = [json.loads(line) for line in lines if line]
    return {row["id"]: row["observation"] for row in rows}
