"""What workers of graders share: which answers are left to look at, and where observations are written."""

import json
import os
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Lock

from pydantic import ValidationError

from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.graders.reading.wording import storable
from quantgate.pipelines.evaluation.observing import ObserveCall, ObserveTally, Question
from quantgate.pipelines.files.records import from_json, from_json_text
from quantgate.pipelines.process.calls import OnProgress, Progress


class ObservationLog:
    """Appends observations to a JSONL file, whole lines at a time, and knows whose it holds."""

    def __init__(self, file: Path) -> None:
        """Open the file, cutting off whatever a killed process left after the last whole line."""
        self._file = file
        self._lock = Lock()
        self.observed: set[str] = set()
        content = file.read_bytes() if file.exists() else b""
        whole_bytes = 0
        for line in content.splitlines(keepends=True):
            observed = _observed(line)
            if observed is None:
                break
            self.observed.add(observed)
            whole_bytes += len(line)
        if whole_bytes < len(content):
            os.truncate(file, whole_bytes)

    def append(self, question: Question, observation: JsonValue) -> None:
        """Add one observation; may be called by several threads."""
        line = json.dumps({"id": question.id, "observation": _storable(observation)}) + "\n"
        with self._lock, self._file.open("ab") as file:
            file.write(line.encode("ascii"))
            self.observed.add(question.id)


def observe_each(
    call: ObserveCall,
    observe: Callable[[JsonValue], JsonValue],
    on_progress: OnProgress,
    *,
    at_once: int = 1,
) -> ObserveTally:
    """Observe every question that has no observation yet, `at_once` of them at a time.

    Where one raises, no other is begun, and what was observed stays.
    """
    log = ObservationLog(call.observations)
    left = [
        question for question in read_questions(call.questions) if question.id not in log.observed
    ]

    def observed(question: Question) -> None:
        log.append(question, observe(question.question))
        on_progress(Progress(done=len(log.observed), total=total, what="answers observed"))

    total = len(log.observed) + len(left)
    with ThreadPoolExecutor(max_workers=max(1, at_once)) as pool:
        futures = [pool.submit(observed, question) for question in left]
        finished, unfinished = wait(futures, return_when=FIRST_EXCEPTION)
        for future in unfinished:
            future.cancel()
        for future in finished:
            future.result()
    return ObserveTally(observed=len(left))


def read_questions(file: Path) -> list[Question]:
    """Return the questions of a JSONL file in its order."""
    lines = file.read_text(encoding="utf-8").split("\n")
    return [from_json_text(Question, line) for line in lines if line]


def threads_allowed() -> int:
    """Return how many things this worker may do at once, as its caller said."""
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return int(threads) if threads.isdecimal() else 1


def _storable(value: JsonValue) -> JsonValue:
    """What a server said may hold lone surrogates, which no file of ours could."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list | tuple):
        return [_storable(element) for element in value]
    if isinstance(value, dict):
        return {storable(key): _storable(member) for key, member in value.items()}
    return value


def _observed(line: bytes) -> str | None:
    """The id of a whole line; None where the line is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
        return from_json(Question, {"id": row["id"], "question": row["observation"]}).id
    except (ValueError, TypeError, KeyError, ValidationError):
        return None
