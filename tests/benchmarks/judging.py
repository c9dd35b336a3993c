"""How long grading and judging take: 10,000 items, 10 variants, in memory, by one process."""

import random
import time
from collections.abc import Sequence
from dataclasses import replace

from pipelines.audit.behaviour import audit_behaviour
from pipelines.domain.audit import AuditReport
from pipelines.domain.policy import Policy
from pipelines.domain.run import Answer, Run, RunContract
from pipelines.domain.suite import Suite
from pipelines.evaluation.grading import grade_answers
from pipelines.files.store import Store
from pipelines.gates.judge import judge
from tests.unit.judging_examples import run_of, suite_of

ITEMS, VARIANTS = 10_000, 10
SECONDS = 5.0
SLICES = tuple(f"slice {number}" for number in range(8))


def run(_store: Store) -> None:
    """Print how many CPU seconds grading and statistics take."""
    graded, judged = measure(ITEMS, VARIANTS)
    print(
        f"grading and statistics of {ITEMS:,} items x {VARIANTS} variants: {graded + judged:.2f} CPU s"
        f" ({graded:.2f} + {judged:.2f}), wanted {SECONDS:g}",
        flush=True,
    )


def measure(items: int, variants: int) -> tuple[float, float]:
    """Return the CPU seconds that grading of all answers takes, and that pairing and judging takes.

    Every item is in two of eight slices; the reference answered three times, which is graded as well.
    """
    suite = suite_of([(SLICES[n % 8], SLICES[n // 8 % 8]) for n in range(items)])
    suite = replace(
        suite, items=tuple(replace(i, slices=tuple(dict.fromkeys(i.slices))) for i in suite.items)
    )
    like = run_of(suite, ["yes"] * items)
    draw = random.Random(0)
    rates = [0.005] * 3 + [0.01 * number for number in range(1, variants + 1)]
    transcripts = [_answers(suite, draw, rate) for rate in rates]
    started = time.process_time()
    runs = [_graded(suite, like, answers, number) for number, answers in enumerate(transcripts)]
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


def _answers(suite: Suite, draw: random.Random, wrong: float) -> tuple[Answer, ...]:
    return tuple(
        Answer(
            item_id=item.id,
            text="no" if draw.random() < wrong else "yes",
            token_ids=tuple(range(draw.randint(1, 60))),
            finish_reason="stop",
            prompt_tokens=50,
        )
        for item in suite.items
    )


def _graded(suite: Suite, like: Run, answers: Sequence[Answer], number: int) -> Run:
    return replace(
        like,
        key=f"run {number}",
        subject="base" if number < 3 else f"variant {number}",
        answers=grade_answers(suite, answers, None),
    )


def _shuffled(run: Run, seed: int) -> RunContract:
    return replace(run.contract, schedule=replace(run.contract.schedule, order_seed=seed))


if __name__ == "__main__":
    from pathlib import Path

    run(Store(root=Path()))
