"""How long grading and judging take: 10,000 items, 10 variants, in memory, by one process.

Variants answer word for word as the reference did wherever they do not break, which is what short answers at
temperature 0 are like; graders of texts are timed apart, on answers none of which is like another.
"""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.pipelines.audit.behaviour import audit_behaviour
from quantgate.pipelines.domain.run import Answer, Run, RunContract
from quantgate.pipelines.domain.suites.suite import GraderSpec, Item, Message, Suite
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.evaluation.graders.table import KnownGrades
from quantgate.pipelines.evaluation.grading import grade_answers
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.gates.judge import judge
from quantgate.pipelines.suites.load import load_suite
from tests.support.project import EXAMPLE
from tests.support.verdicts.judging import run_of, suite_of

ITEMS, VARIANTS = 10_000, 10
SECONDS = 5.0
SLICES = tuple(f"slice {number}" for number in range(8))
PROSE_ANSWERS, PROSE_WORDS = 1000, 120
_VOCABULARY = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A suite, and what a right and a wrong answer to each of its items is."""

    suite: Suite
    right: Sequence[str]
    wrong: Sequence[str]


def run(_store: Store) -> None:
    """Print how many CPU seconds grading and statistics take."""
    for what, asked in (("one-word", _words(ITEMS)), ("tool-call", _calls(ITEMS))):
        graded, judged = measure(asked, VARIANTS)
        print(
            f"grading and statistics of {ITEMS:,} {what} items x {VARIANTS} variants:"
            f" {graded + judged:.2f} CPU s ({graded:.2f} + {judged:.2f}), wanted {SECONDS:g}",
            flush=True,
        )
    print(f"answers of {PROSE_WORDS} words, all different, milliseconds an answer:", end="")
    for kind, seconds in prose().items():
        print(f" {kind} {1000 * seconds:.2f}", end="", flush=True)
    print()


def measure(asked: _Asked, variants: int) -> tuple[float, float]:
    """Return the CPU seconds that grading of all answers takes, and that pairing and judging takes.

    The reference answered three times, which is graded as well.
    """
    suite = asked.suite
    like = run_of(suite, asked.right)
    draw = random.Random(0)
    rates = [0.005] * 3 + [0.01 * number for number in range(1, variants + 1)]
    transcripts = [_answers(asked, draw, rate) for rate in rates]
    started = time.process_time()
    known: KnownGrades = {}
    runs = [
        replace(
            like,
            key=f"run {number}",
            subject="base" if number < 3 else f"variant {number}",
            answers=grade_answers(suite, answers, None, known),
        )
        for number, answers in enumerate(transcripts)
    ]
    between = time.process_time()
    references = [replace(one, contract=_shuffled(one, seed)) for seed, one in enumerate(runs[:3])]
    for variant in runs[3:]:
        judge(
            suite=suite,
            policy=Policy(),
            audit=AuditReport(findings=audit_behaviour(references[0], variant)),
            reference_runs=references,
            variant_run=variant,
        )
    return between - started, time.process_time() - between


def prose() -> dict[str, float]:
    """Return the CPU seconds of one answer, for graders that look through all of a text."""
    draw = random.Random(0)
    words = [
        "".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 9))) for _ in range(_VOCABULARY)
    ]
    texts = [" ".join(draw.choices(words, k=PROSE_WORDS)) for _ in range(PROSE_ANSWERS)]
    expectations: dict[str, tuple[JsonValue, str]] = {
        "contains": ("42", " It is 42."),
        "number": (42, " So 6 * 7 = 42 dollars. The answer is 42."),
        "choice": ("B", " The answer is (B)."),
        "refusal": ("comply", ""),
        "language": ("en", ""),
        "chrf": (texts[0], ""),
        "rouge": (texts[0], ""),
    }
    return {
        kind: _seconds(kind, expected, [text + end for text in texts])
        for kind, (expected, end) in expectations.items()
    }


def _seconds(kind: str, expected: JsonValue, texts: Sequence[str]) -> float:
    item = Item(
        id="one",
        messages=(Message(role="user", content="?"),),
        slices=("some",),
        expected=expected,
        grader=GraderSpec(kind=kind),  # type: ignore[arg-type]
    )
    suite = replace(suite_of([("some",)]), items=(item,))
    answers = [_answer(item, text, 1) for text in texts]
    grade_answers(suite, answers[:1], None)  # what is compiled once
    started = time.process_time()
    for answer in answers:
        grade_answers(suite, [answer], None)
    return (time.process_time() - started) / len(texts)


def _words(items: int) -> _Asked:
    """Every item is in two of eight slices, and wants `yes`."""
    suite = suite_of([(SLICES[n % 8], SLICES[n // 8 % 8]) for n in range(items)])
    suite = replace(
        suite, items=tuple(replace(i, slices=tuple(dict.fromkeys(i.slices))) for i in suite.items)
    )
    return _Asked(suite=suite, right=["yes"] * items, wrong=["no"] * items)


def _calls(items: int) -> _Asked:
    """The example's items, again and again."""
    suite = load_suite(EXAMPLE / "suite")
    drawn = tuple(
        replace(suite.items[at % len(suite.items)], id=f"item {at}") for at in range(items)
    )
    right = [
        item.expected if isinstance(item.expected, str) else json.dumps(item.expected)
        for item in drawn
    ]
    return _Asked(suite=replace(suite, items=drawn), right=right, wrong=["{}" for _ in drawn])


def _answers(asked: _Asked, draw: random.Random, wrong: float) -> tuple[Answer, ...]:
    rows = zip(asked.suite.items, asked.right, asked.wrong, strict=True)
    return tuple(
        _answer(item, bad if draw.random() < wrong else good, draw.randint(1, 60))
        for item, good, bad in rows
    )


def _answer(item: Item, text: str, tokens: int) -> Answer:
    return Answer(
        item_id=item.id,
        text=text,
        token_ids=tuple(range(tokens)),
        finish_reason="stop",
        prompt_tokens=50,
    )


def _shuffled(run: Run, seed: int) -> RunContract:
    return replace(run.contract, schedule=replace(run.contract.schedule, order_seed=seed))


if __name__ == "__main__":
    run(Store(root=Path()))
