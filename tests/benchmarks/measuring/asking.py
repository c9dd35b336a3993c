"""Questions for the sides of a benchmark that answers prompts, and what such a benchmark prints."""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.requests import AnswerRequest, Loadable, Prompt
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.prompts import suite_prompts
from quantgate.pipelines.files.records import from_json, to_json
from quantgate.pipelines.formats.tokenizers.folder import special_token_ids
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.suites.load import load_suite
from tests.benchmarks.measuring.processes import child_cpu_seconds
from tests.support.project import EXAMPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Prompts of the example's suite, also as JSONL, and how many tokens an answer may have.

    `folder` takes whatever the sides write.
    """

    checkpoint: Checkpoint
    prompts: tuple[Prompt, ...]
    file: Path
    max_tokens: int
    folder: Path

    @classmethod
    def of(cls, checkpoint: Checkpoint, folder: Path, count: int, max_tokens: int) -> "Questions":
        """Return `count` prompts from all over the suite, so that every slice is among them."""
        chat = ChatFormat.of(checkpoint.folder)
        suite = load_suite(EXAMPLE / "suite")
        every = suite_prompts(suite, chat, checkpoint.context_length_tokens).prompts
        return cls._written(checkpoint, every[:: len(every) // count][:count], max_tokens, folder)

    @classmethod
    def _written(
        cls, checkpoint: Checkpoint, prompts: tuple[Prompt, ...], max_tokens: int, folder: Path
    ) -> "Questions":
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "prompts.jsonl"
        file.write_text("".join(json.dumps(to_json(prompt)) + "\n" for prompt in prompts))
        return cls(
            checkpoint=checkpoint, prompts=prompts, file=file, max_tokens=max_tokens, folder=folder
        )

    def first(self) -> "Questions":
        """Return the first prompt alone, with one token for its answer: little but starting and loading."""
        return self._written(self.checkpoint, self.prompts[:1], 1, self.folder / "first")

    def answered_by(self, runtime: Runtime, loadable: Loadable, threads: int) -> list[str]:
        """Return the texts of a runtime's answers, all given anew, in the prompts' order."""
        answers = self.folder / "answers.jsonl"
        answers.unlink(missing_ok=True)
        request = AnswerRequest(
            loadable=loadable,
            prompts=self.file,
            answers=answers,
            decode=DecodeSettings(max_tokens=self.max_tokens),
            stop_token_ids=special_token_ids(self.checkpoint.folder).end,
            schedule=runtime.schedule(threads),
            log=self.folder / "ours.log",
        )
        runtime.answer(request, run_worker, ignore_progress)
        lines = answers.read_text().splitlines()
        found = [from_json(Answer, json.loads(line)) for line in lines]
        texts = {answer.item_id: answer.text for answer in found}
        return [texts[prompt.item_id] for prompt in self.prompts]


Side = Callable[[Questions], Sequence[str]]
"""Answers all prompts in child processes and returns the texts in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Items a CPU-second of each side, medians of all rounds, and how many answers equal the first side's.

    `whole` counts everything that a side's child processes do; in `without_start` what it takes to start,
    to load and to answer one token is taken off. `by_clock` are items a second of wall time.
    """

    items: int
    whole: Mapping[str, float]
    without_start: Mapping[str, float]
    by_clock: Mapping[str, float]
    equal: Mapping[str, int]

    def show(self, what: str, ours: str, theirs: str, least: float | None) -> None:
        """Print a ratio, after how many answers are the same: other answers would be other work."""
        ratio = self.whole[ours] / self.whole[theirs]
        later = self.without_start[ours] / self.without_start[theirs]
        by_clock = self.by_clock[ours] / self.by_clock[theirs]
        verdict = f"  target {least:.2f}  {'ok' if ratio >= least else 'MISS'}" if least else ""
        print(
            f"{what + ', ' + ours + ' / ' + theirs:60} equal answers {self.equal[theirs]}/{self.items}"
            f"  items per CPU-second {self.whole[ours]:.2f} / {self.whole[theirs]:.2f}"
            f"  ratio {ratio:.2f} (without start {later:.2f}, by the clock {by_clock:.2f}){verdict}",
            flush=True,
        )


def in_rounds(sides: Mapping[str, Side], questions: Questions, rounds: int) -> Rates:
    """Let all sides answer in turns."""
    few = questions.first()
    whole: dict[str, list[float]] = {name: [] for name in sides}
    starts: dict[str, list[float]] = {name: [] for name in sides}
    clock: dict[str, list[float]] = {name: [] for name in sides}
    texts: dict[str, Sequence[str]] = {}
    for _ in range(rounds):
        for name, side in sides.items():
            before = child_cpu_seconds()
            side(few)
            between, began = child_cpu_seconds(), time.monotonic()
            texts[name] = side(questions)
            clock[name].append(time.monotonic() - began)
            starts[name].append(between - before)
            whole[name].append(child_cpu_seconds() - between)
    items, first = len(questions.prompts), next(iter(texts.values()))
    spent = {name: statistics.median(seconds) for name, seconds in whole.items()}
    started = {name: statistics.median(seconds) for name, seconds in starts.items()}
    return Rates(
        items=items,
        whole={name: items / spent[name] for name in sides},
        by_clock={name: items / statistics.median(seconds) for name, seconds in clock.items()},
        without_start={name: (items - 1) / (spent[name] - started[name]) for name in sides},
        equal={
            name: sum(one == other for one, other in zip(first, given, strict=True))
            for name, given in texts.items()
        },
    )
