"""A stopped variant's decision is the full run's, whatever the items that were not asked would answer."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest

from quantgate.pipelines.audit.behaviour import audit_behaviour
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Answer, Facet, Grade, GradedAnswer, Run
from quantgate.pipelines.domain.suites.suite import DecodeSettings, Suite
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.domain.verdicts.policy import Policy, SlicePolicy
from quantgate.pipelines.domain.verdicts.verdict import Decision, Verdict
from quantgate.pipelines.gates.early import Examined, judge_stopped, settled
from quantgate.pipelines.gates.judge import judge
from tests.support.verdicts.judging import PASSED_AUDIT, graded, repeat_of, run_of, suite_of

MAX_TOKENS = 8
SLICES = ("a", "b")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A random suite, policy and reference, and an order in which the variant is asked."""

    suite: Suite
    policy: Policy
    references: tuple[Run, ...]
    variant: Run
    order: tuple[int, ...]

    def after(self, count: int) -> Examined:
        """The variant once the first `count` items of the order are asked."""
        asked = sorted(self.order[:count])
        return Examined(
            suite=self.suite,
            policy=self.policy,
            audit=PASSED_AUDIT,
            reference_runs=self.references,
            asked=replace(self.variant, answers=tuple(self.variant.answers[i] for i in asked)),
        )

    def decision(self, variant: Run) -> Decision:
        """What the full run comes to."""
        found = audit_behaviour(self.references[0], variant)
        return judge(
            suite=self.suite,
            policy=self.policy,
            audit=AuditReport(findings=(*PASSED_AUDIT.findings, *found)),
            reference_runs=self.references,
            variant_run=variant,
        ).decision


def random_case(seed: int) -> Case:
    draw = random.Random(seed)
    count = draw.randint(3, 14)
    suite = suite_of(
        [tuple(name for name in SLICES if draw.random() < 0.6) for _ in range(count)],
        critical=("a",) if draw.random() < 0.2 else (),
    )
    suite = replace(
        suite,
        decode=DecodeSettings(max_tokens=MAX_TOKENS),
        items=tuple(
            replace(
                item,
                critical=draw.random() < 0.05,
                group=draw.choice((None, None, "g", "h")) if seed % 3 == 0 else None,
            )
            for item in suite.items
        ),
    )
    graded_scores = seed % 4 == 0
    # Nothing is longer than a reference that goes round in circles: then no audit decides beforehand.
    ends = ("stop",) if seed % 5 == 0 else ("loop",)
    base = run_of(suite, ["yes"] * count)
    base = replace(
        base,
        answers=tuple(
            random_answer(draw, item.id, right=0.9, graded_scores=False, ends=ends)
            for item in suite.items
        ),
    )
    runs = [base]
    for number in range(1, draw.randint(1, 2) + 1):
        wrong = [i for i in range(count) if draw.random() < 0.1]
        runs.append(repeat_of(base, seed=number, wrong=wrong))
    right = draw.choice((0.2, 0.6, 0.9, 1.0, 1.0))
    variant = replace(
        run_of(suite, ["yes"] * count, subject="demo--Q4_K_M"),
        answers=tuple(
            random_answer(draw, item.id, right=right, graded_scores=graded_scores)
            for item in suite.items
        ),
    )
    return Case(
        suite=suite,
        policy=random_policy(draw, [one.name for one in suite.slices]),
        references=tuple(runs),
        variant=variant,
        order=tuple(draw.sample(range(count), count)),
    )


def random_policy(draw: random.Random, slices: Sequence[str]) -> Policy:
    def maybe(*values: float) -> float | None:
        return draw.choice(values) if draw.random() < 0.15 else None

    def rules() -> dict[str, Any]:
        return {
            "non_inferiority": maybe(0.1, 0.3, 0.6),
            "min_accuracy": maybe(0.3, 0.6),
            "max_verbosity_ratio": maybe(0.8, 1.2, 2.0),
            "max_refusal_rate_increase": maybe(0.3, 0.6),
        }

    return Policy(
        max_break_rate=draw.choice((0.1, 0.2, 0.4)),
        confidence=draw.choice((0.6, 0.8, 0.95)),
        require_all_slices=draw.random() < 0.2,
        slices=tuple(
            SlicePolicy(name=name, max_break_rate=maybe(0.1, 0.5), **rules())
            for name in slices
            if draw.random() < 0.3
        ),
        **rules(),
    )


def random_answer(
    draw: random.Random,
    item_id: str,
    *,
    right: float,
    graded_scores: bool,
    ends: tuple[str, ...] = ("stop", "stop", "stop", "stop", "stop", "length", "error"),
) -> GradedAnswer:
    correct = draw.random() < right
    end = draw.choice(ends)
    score = float(correct)
    if graded_scores:
        score = draw.choice((0.5, 0.75, 1.0)) if correct else draw.choice((0.0, 0.25))
    tokens = draw.randint(0, MAX_TOKENS) if end in ("stop", "error") else MAX_TOKENS
    token_ids = tuple(draw.choice((1, 1, 1, 2)) for _ in range(tokens))
    facets = (Facet(name="refused", score=float(draw.random() < 0.3)),) if end != "error" else ()
    return GradedAnswer(
        answer=Answer(
            item_id=item_id,
            text="",
            token_ids=(1,) * MAX_TOKENS if end == "loop" else token_ids,
            finish_reason="length" if end == "loop" else end,  # type: ignore[arg-type]
            prompt_tokens=4,
        ),
        grade=Grade(
            correct=correct,
            reason="made up",
            canonical=str(correct),
            grader="exact@1",
            score=score,
            facets=facets,
        ),
    )


def completions(case: Case, asked: int, seed: int) -> Iterator[Run]:
    """Ways in which the run may go on: every pattern of right and wrong, and random answers of all kinds."""
    draw = random.Random(seed)
    left = case.order[asked:]
    patterns = list(product((True, False), repeat=len(left)))
    for pattern in draw.sample(patterns, min(len(patterns), 16)):
        chosen = dict(zip(left, pattern, strict=True))
        yield with_answers(
            case,
            {i: graded(case.suite.items[i].id, "yes" if ok else "no") for i, ok in chosen.items()},
        )
    for right in (0.0, 0.3, 0.7, 1.0):
        for graded_scores in (False, True):
            yield with_answers(
                case,
                {
                    i: random_answer(
                        draw, case.suite.items[i].id, right=right, graded_scores=graded_scores
                    )
                    for i in left
                },
            )


def with_answers(case: Case, answers: dict[int, GradedAnswer]) -> Run:
    return replace(
        case.variant,
        answers=tuple(answers.get(i, one) for i, one in enumerate(case.variant.answers)),
    )


def stops(case: Case) -> tuple[int, Decision]:
    """After how many items the variant is stopped, and with which decision."""
    for count in range(len(case.order) + 1):
        decision = settled(case.after(count))
        if decision is not None:
            return count, decision
    raise AssertionError("a full run is always settled")


def check(seeds: range) -> Counter[tuple[Decision, bool]]:
    """Stop every case and compare with the full run and with every other way to go on."""
    seen: Counter[tuple[Decision, bool]] = Counter()
    for seed in seeds:
        case = random_case(seed)
        count, decision = stops(case)
        assert case.decision(case.variant) is decision, seed
        verdict = judge_stopped(case.after(count))
        assert verdict.decision is decision
        early = count < len(case.order)
        if early:
            for other in completions(case, count, seed):
                assert case.decision(other) is decision, seed
        seen[decision, early] += 1
    return seen


def test_no_completion_of_a_stopped_run_would_have_been_decided_otherwise() -> None:
    seen = check(range(200))

    for decision in (Decision.PASS, Decision.FAIL, Decision.INCONCLUSIVE):
        assert seen[decision, True] >= 3, seen  # each was stopped early more than by chance
    assert seen[Decision.FAIL, True] > 40


@pytest.mark.slow
def test_no_completion_of_thousands_of_stopped_runs_would_have_been_decided_otherwise() -> None:
    assert sum(check(range(200, 4200)).values()) == 4000


def test_what_was_settled_stays_settled() -> None:
    for seed in range(60):
        case = random_case(seed)
        decisions = [settled(case.after(count)) for count in range(len(case.order) + 1)]
        known = [one for one in decisions if one is not None]
        assert len(set(known)) == 1
        assert decisions[-len(known) :] == known


def stopped(texts: Sequence[str], total: int) -> Verdict:
    suite = suite_of([("s",)] * (total // 2) + [("t",)] * (total - total // 2))
    base = run_of(suite, ["yes"] * total)
    variant = run_of(suite, [*texts, *["yes"] * (total - len(texts))], subject="demo--Q2_K")
    return judge_stopped(
        Examined(
            suite=suite,
            policy=Policy(early_stopping=True),
            audit=PASSED_AUDIT,
            reference_runs=[base],
            asked=replace(variant, answers=variant.answers[: len(texts)]),
        )
    )


def test_a_variant_is_stopped_once_more_is_broken_than_the_whole_suite_may_lose() -> None:
    verdict = stopped(["no"] * 11, 100)

    assert verdict.decision is Decision.FAIL
    assert len(verdict.not_asked) == 89
    assert verdict.not_asked[0] == "i-11"
    assert verdict.whole is not None
    assert (verdict.whole.statistics.items, verdict.whole.statistics.broke) == (11, 11)
    assert verdict.reasons[0] == (
        "the whole suite: 11 of 11 reliably right items broke (100.0 %, bound 100.0 %)"
        " after 11 of 100 items: fail, whatever the others answer"
    )
    assert verdict.reasons[-1] == "stopped after 11 of 100 items: no answer could change this"
    assert [one.decision for one in verdict.slices] == [Decision.FAIL, Decision.INCONCLUSIVE]
    assert verdict.slices[1].reason.endswith("after 0 of 50 items: open")


def test_a_variant_is_asked_on_while_it_could_still_be_otherwise() -> None:
    with pytest.raises(InputError, match="90 items are not asked, and could still change"):
        stopped(["no", "yes"] * 5, 100)


def test_a_variant_that_cannot_pass_for_want_of_items_is_not_stopped_before_it_can_no_longer_fail() -> (
    None
):
    with pytest.raises(InputError):
        stopped(["yes"] * 5, 10)


def one_left(policy: Policy, max_tokens: int = MAX_TOKENS) -> Decision | None:
    """What is settled after 99 of 100 right answers, each as long as the reference's."""
    suite = replace(suite_of([()] * 100), decode=DecodeSettings(max_tokens=max_tokens))
    base = run_of(suite, ["yes"] * 100)
    base = replace(base, answers=tuple(four_tokens(one) for one in base.answers))
    return settled(
        Examined(
            suite=suite,
            policy=policy,
            audit=PASSED_AUDIT,
            reference_runs=[base],
            asked=replace(base, subject="demo--Q4_K_M", answers=base.answers[:99]),
        )
    )


def four_tokens(one: GradedAnswer) -> GradedAnswer:
    return replace(one, answer=replace(one.answer, token_ids=(1, 2, 3, 4)))


def test_a_last_answer_that_cannot_matter_is_not_waited_for() -> None:
    assert one_left(Policy()) is Decision.PASS


def test_a_last_answer_could_be_too_long() -> None:
    assert one_left(Policy(max_verbosity_ratio=1.01)) is Decision.PASS  # 404 tokens for 400
    assert one_left(Policy(max_verbosity_ratio=1.009)) is None


def test_a_last_answer_could_think_too_long() -> None:
    # 150 tokens of thoughts are 1.5 an answer, where the reference has none; said, they are 5.5 for 4.
    assert one_left(Policy(), max_tokens=150) is Decision.PASS
    assert one_left(Policy(), max_tokens=151) is None


def test_a_last_answer_could_be_graded_and_change_how_the_margin_is_tested() -> None:
    # One item of a hundred lost: the score interval reaches -4.4 points, the bootstrap -4.6.
    assert one_left(Policy(non_inferiority=0.05)) is Decision.PASS
    assert one_left(Policy(non_inferiority=0.045)) is None


def test_a_last_answer_could_cost_the_least_accuracy() -> None:
    assert one_left(Policy(min_accuracy=0.95)) is Decision.PASS
    assert one_left(Policy(min_accuracy=0.96)) is None
