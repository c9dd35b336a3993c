"""A run while its answers come in: prompts and answers in files that survive an interruption."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.engines.answer_log import AnswerLog
from quantgate.pipelines.engines.requests import AnswerRequest, Prompt
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.evaluation.loops.waves import Loops
from quantgate.pipelines.evaluation.sampling import step_id
from quantgate.pipelines.files.records import from_json_text, to_json, write_text
from quantgate.pipelines.process.calls import OnProgress, Progress, RunWorker

TRANSCRIPT = "transcript.jsonl"
PROMPTS = "prompts.jsonl"


@dataclass(slots=True, kw_only=True)
class UnfinishedRun:
    """Asks a run's prompts portion by portion, and a portion's loops step by step.

    `request` is what all portions share; its files are replaced by each wave's own in `folder`. `total` is
    how many first prompts the run has: steps of loops are added as they come up.
    """

    runtime: Runtime
    request: AnswerRequest
    folder: Path
    run_worker: RunWorker
    loops: Loops | None
    on_progress: OnProgress
    subject: str
    total: int
    answered: dict[str, Answer] = field(default_factory=dict)
    asked: dict[str, Prompt] = field(default_factory=dict)

    def ask(self, number: int, portion: Sequence[Prompt]) -> None:
        """Ask one portion and all that follows from it; what an earlier try answered is not asked again.

        Raises:
            WorkerError, ToolchainError: from the runtime, and from functions of loops.
        """
        wave, step = tuple(portion), 1
        while wave:
            self._ask(f"{number}-" if step == 1 else f"{number}-step{step}-", wave)
            if self.loops is None:
                return
            after = self.loops.after(wave, self.answered)
            self.answered |= after.answers
            self.total += len(after.prompts)
            wave, step = after.prompts, step + 1

    def _ask(self, name: str, wave: Sequence[Prompt]) -> None:
        prompts, answers = self.folder / f"{name}{PROMPTS}", self.folder / f"{name}{TRANSCRIPT}"
        write_lines(prompts, wave)
        self.asked |= {prompt.item_id: prompt for prompt in wave}
        # A runtime may take minutes to start, only to find that an earlier try answered all of it.
        if not AnswerLog(answers).answered.issuperset(prompt.item_id for prompt in wave):
            self.runtime.answer(
                replace(self.request, prompts=prompts, answers=answers),
                self.run_worker,
                _counted_on(self.on_progress, len(self.answered), self.total),
            )
        self.answered |= {answer.item_id: answer for answer in read_answers(answers)}
        _require_answers(wave, self.answered, self.subject, self.request.log)

    def write(self, folder: Path, firsts: Sequence[Prompt]) -> None:
        """Write transcript and prompts, in the order of first prompts, an item's steps one after another."""
        ids = [
            answer_id for prompt in firsts for answer_id in _steps(prompt.item_id, self.answered)
        ]
        write_lines(folder / TRANSCRIPT, [self.answered[answer_id] for answer_id in ids])
        prompts = {prompt.item_id: prompt for prompt in firsts} | self.asked
        steps = (answer_id for prompt in firsts for answer_id in _steps(prompt.item_id, prompts))
        write_lines(folder / PROMPTS, [prompts[answer_id] for answer_id in steps])


def _steps(sample: str, recorded: Mapping[str, object]) -> Iterator[str]:
    """Yield the ids of a sample's steps, as far as they are known."""
    number = 1
    while (answer_id := step_id(sample, number)) in recorded:
        yield answer_id
        number += 1


def _counted_on(on_progress: OnProgress, before: int, total: int) -> OnProgress:
    """Return what counts a wave's prompts among all of them."""

    def heard(progress: Progress) -> None:
        on_progress(replace(progress, done=before + progress.done, total=total))

    return heard


def _require_answers(
    prompts: Sequence[Prompt], answered: Mapping[str, Answer], subject: str, log: Path
) -> None:
    missing = [prompt.item_id for prompt in prompts if prompt.item_id not in answered]
    if missing:
        raise WorkerError(
            f"{len(missing)} prompts were left unanswered, the first is '{missing[0]}'",
            where=subject,
            log=log,
        )


def read_answers(path: Path) -> tuple[Answer, ...]:
    """Read a transcript; one that does not exist holds no answers."""
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    return tuple(from_json_text(Answer, line) for line in lines if line)


def write_lines(path: Path, records: Iterable[object]) -> None:
    """Write dataclasses as JSON lines."""
    lines = [json.dumps(to_json(record), ensure_ascii=False) for record in records]
    write_text(path, "\n".join(lines) + "\n")
