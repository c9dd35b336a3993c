"""Pairing compares like with like, item by item, and knows where the reference is unsure."""

from dataclasses import replace

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.verdicts.verdict import PairOutcome
from quantgate.pipelines.paired.pairing import noise_floor, pair, pair_across_runtimes
from quantgate.pipelines.paired.statistics import statistics
from tests.support.verdicts.judging import paired_items, repeat_of, run_of, suite_of

SUITE = suite_of([("a",), ("a", "b"), ("b",), ("b",), ()])
BASE = run_of(SUITE, ["yes", "yes", "no", "no", "no"])
VARIANT = run_of(SUITE, ["yes", "no", "yes", "no", "hm"], subject="demo--Q4_K_M")


def with_runtime(run: Run, **changes: str) -> Run:
    runtime = replace(run.contract.runtime, **changes)  # type: ignore[arg-type]
    return replace(run, contract=replace(run.contract, runtime=runtime))


def with_schedule(run: Run, **changes: int) -> Run:
    schedule = replace(run.contract.schedule, **changes)
    return replace(run, contract=replace(run.contract, schedule=schedule))


def with_contract(run: Run, **changes: object) -> Run:
    return replace(run, contract=replace(run.contract, **changes))  # type: ignore[arg-type]


def test_every_item_gets_one_of_five_outcomes_in_suite_order() -> None:
    items = pair(suite=SUITE, reference_runs=[BASE], variant=VARIANT)

    assert [item.outcome for item in items] == [
        PairOutcome.BOTH_RIGHT,
        PairOutcome.BROKE,
        PairOutcome.FIXED,
        PairOutcome.BOTH_WRONG_SAME,
        PairOutcome.BOTH_WRONG_DIFFERENT,
    ]
    assert [item.item_id for item in items] == [item.id for item in SUITE.items]
    assert items[1].slices == ("a", "b")
    assert all(item.stable for item in items)
    assert items[1].reference.answer.text == "yes"
    assert items[1].variant.answer.text == "no"


def test_items_on_which_the_reference_disagrees_with_itself_are_unstable() -> None:
    repeats = [
        repeat_of(BASE, seed=1),
        repeat_of(BASE, seed=2, wrong=[1]),
        repeat_of(BASE, seed=3, wrong=[0, 2]),  # item 2 is wrong in the primary as well: no flip
    ]

    items = pair(suite=SUITE, reference_runs=[BASE, *repeats], variant=VARIANT)
    floor = noise_floor([BASE, *repeats])

    assert [item.stable for item in items] == [False, False, True, True, True]
    assert floor.unstable == ("i-0", "i-1")
    assert floor.flips_per_repeat == (0, 1, 1)
    assert (floor.repeats, floor.items) == (3, 5)


def test_unstable_items_count_for_accuracy_but_never_as_reliable_broke_or_fixed() -> None:
    runs = [BASE, repeat_of(BASE, seed=1, wrong=[1])]
    items = pair(suite=SUITE, reference_runs=runs, variant=VARIANT)

    counted = statistics(items, confidence=0.95, max_break_rate=0.1)

    assert counted.items == 5
    assert counted.unstable == 1
    assert (counted.reference_right, counted.variant_right) == (2, 2)
    assert (counted.reliable, counted.broke, counted.fixed) == (1, 0, 1)
    assert counted.changed_wrong == 1
    assert counted.delta == 0.0


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (with_contract(VARIANT, suite_digest=Digest("f" * 64)), ["suite digest"]),
        (with_contract(VARIANT, prompts_digest=Digest("f" * 64)), ["prompts digest"]),
        (with_contract(VARIANT, decode=DecodeSettings(max_tokens=9)), ["decode max_tokens"]),
        (
            with_contract(VARIANT, decode=DecodeSettings(max_tokens=64, temperature=0.7, seed=4)),
            ["decode temperature", "decode seed"],
        ),
        (
            with_contract(
                VARIANT,
                decode=DecodeSettings(max_tokens=64, samples=3, stop=("x",), constrained=True),
            ),
            ["decode samples", "decode stop", "decode constrained"],
        ),
        (with_runtime(VARIANT, engine="transformers"), ["runtime engine (llamacpp"]),
        (
            with_runtime(VARIANT, version="9", device="cuda"),
            ["runtime version", "runtime device"],
        ),
        (with_runtime(VARIANT, compute_dtype="bf16"), ["runtime compute_dtype"]),
        (with_schedule(VARIANT, slots=1, threads=1), ["schedule slots", "schedule threads"]),
        (replace(VARIANT, answers=VARIANT.answers[:-1]), ["item ids", "only i-4"]),
        (replace(VARIANT, answers=VARIANT.answers[::-1]), ["order or repetition of items"]),
        (
            replace(VARIANT, answers=(*VARIANT.answers, VARIANT.answers[0])),
            ["order or repetition of items"],
        ),
        (
            replace(
                VARIANT,
                answers=tuple(
                    replace(graded, grade=replace(graded.grade, grader="exact@2"))
                    for graded in VARIANT.answers
                ),
            ),
            ["graders (exact@1 in the reference, exact@2 in the other)"],
        ),
    ],
)
def test_runs_under_different_contracts_refuse_to_pair_and_every_difference_is_named(
    other: Run, named: list[str]
) -> None:
    with pytest.raises(InputError) as refused:
        pair(suite=SUITE, reference_runs=[BASE], variant=other)

    for field in named:
        assert field in refused.value.what


def test_kernels_kv_cache_and_item_order_may_differ() -> None:
    of_its_own = with_runtime(VARIANT, kernels="emulated", kv_cache="q8_0")
    other = with_schedule(of_its_own, order_seed=7)

    assert len(pair(suite=SUITE, reference_runs=[BASE], variant=other)) == 5


def test_repeats_have_to_be_repeats() -> None:
    other_weights = replace(repeat_of(BASE, seed=1), subject_digest=Digest("0" * 64))
    for runs, message in (
        ([], "no run of the reference"),
        ([BASE, other_weights], "other weights"),
        ([BASE, with_runtime(repeat_of(BASE, seed=1), device="cuda")], "runtime device"),
        ([BASE, with_runtime(repeat_of(BASE, seed=1), kv_cache="q8_0")], "q8_0 and native"),
        ([BASE, BASE], "listed twice"),
    ):
        with pytest.raises(InputError, match=message):
            pair(suite=SUITE, reference_runs=runs, variant=VARIANT)


def test_runs_of_an_older_suite_refuse_to_pair_although_they_agree_with_each_other() -> None:
    newer = replace(SUITE, digest=Digest("1" * 64))

    with pytest.raises(InputError, match="does not answer suite support-desk@1 as it is now"):
        pair(suite=newer, reference_runs=[BASE], variant=VARIANT)


def test_the_base_is_compared_across_runtimes_although_variants_are_not() -> None:
    other = with_runtime(VARIANT, engine="transformers", version="5.17")

    flips = pair_across_runtimes(suite=SUITE, reference_runs=[BASE], other=other)

    assert [item.outcome for item in flips].count(PairOutcome.BROKE) == 1
    with pytest.raises(InputError, match="prompts digest"):
        pair_across_runtimes(
            suite=SUITE,
            reference_runs=[BASE],
            other=with_contract(other, prompts_digest=Digest("f" * 64)),
        )


def test_the_example_builder_builds_what_it_says() -> None:
    counted = statistics(
        paired_items(both_right=5, broke=4, fixed=3, same=2, different=1),
        confidence=0.95,
        max_break_rate=0.1,
    )

    assert (counted.reliable, counted.broke, counted.fixed) == (9, 4, 3)
    assert (counted.items, counted.changed_wrong) == (15, 1)
    assert (counted.reference_right, counted.variant_right) == (9, 8)
