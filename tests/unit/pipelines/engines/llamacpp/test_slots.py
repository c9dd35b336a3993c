"""Continuous batching, with an engine that is arithmetic instead of a model."""

from collections.abc import Sequence

import numpy

from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.llamacpp.layout import Layout, cost_of, groups, lay_out
from quantgate.pipelines.engines.llamacpp.sampling import chooser
from quantgate.pipelines.engines.llamacpp.slots import (
    Answering,
    DecodingRules,
    run_group,
)
from quantgate.pipelines.engines.requests import Prompt
from tests.support.llamacpp.counting import STOP, CountingEngine


def prompt(item_id: str, *token_ids: int) -> Prompt:
    return Prompt(item_id=item_id, token_ids=token_ids)


def rules(max_tokens: int = 8, context: int = 100) -> DecodingRules:
    return DecodingRules(
        stop_token_ids=frozenset({STOP}),
        room=lambda asked: min(max_tokens, context - len(asked.token_ids)),
        choose=chooser(DecodeSettings(max_tokens=max_tokens)),
    )


def layout(slots: int = 2, shared: tuple[int, ...] = (), batch: int = 512) -> Layout:
    return Layout(slots=slots, shared=shared, slot_tokens=100, batch_tokens=batch)


def answers(
    prompts: Sequence[Prompt], engine: CountingEngine, laid: Layout, ruled: DecodingRules
) -> dict[str, Answering]:
    ended: list[Answering] = []
    run_group(prompts, engine, laid, ruled, ended.extend)
    assert len(ended) == len(prompts)
    return {answer.prompt.item_id: answer for answer in ended}


def test_an_answer_ends_at_a_stop_token_which_is_not_part_of_it() -> None:
    found = answers([prompt("a", 1, 7)], CountingEngine(), layout(), rules())
    assert found["a"].generated == [8, 9]
    assert found["a"].finish == "stop"


def test_an_answer_without_a_stop_token_ends_at_the_limit() -> None:
    found = answers([prompt("a", 20)], CountingEngine(), layout(), rules(max_tokens=3))
    assert found["a"].generated == [21, 22, 23]
    assert found["a"].finish == "length"


def test_a_slot_is_refilled_as_soon_as_its_answer_ends() -> None:
    engine = CountingEngine()
    prompts = [prompt("long", 20), prompt("short", 9), prompt("next", 8)]
    answers(prompts, engine, layout(slots=2), rules(max_tokens=6))
    answering = [batch for batch in engine.batches if len(batch.tokens) == 2]
    assert [batch.tokens for batch in answering] == [[21, 9]], (
        "the third prompt took the second's slot"
    )
    assert len(engine.batches) == 3 + 5, (
        "three prompts, and as many steps as the longest answer has"
    )


def test_a_batch_is_one_prompt_or_one_token_each_of_the_first_slots() -> None:
    """Anything else llama.cpp would cut into pieces, each of which reads all weights again."""
    engine = CountingEngine()
    prompts = [prompt(str(n), *range(20, 23 + n % 5), n % 10) for n in range(20)]
    found = answers(prompts, engine, layout(slots=6), rules(max_tokens=7))
    assert {answer.finish for answer in found.values()} == {"stop", "length"}
    for batch in engine.batches:
        one_prompt = len(set(batch.slots)) == 1
        assert one_prompt or batch.slots == list(range(len(batch.slots)))


def test_no_batch_exceeds_its_limit() -> None:
    engine = CountingEngine()
    prompts = [prompt(str(index), *range(10, 10 + 7)) for index in range(6)]
    found = answers(prompts, engine, layout(slots=3, batch=5), rules(max_tokens=4))
    assert max(len(batch.tokens) for batch in engine.batches) <= 5
    assert {tuple(answer.generated) for answer in found.values()} == {(17, 18, 19, 20)}


def test_what_is_answered_does_not_depend_on_slots_batches_or_sharing() -> None:
    prompts = [prompt(str(index), 1, 2, 3, index % 11, 30 + index % 7) for index in range(25)]
    laid = [
        layout(slots=1),
        layout(slots=7, batch=16),
        layout(slots=4, shared=(1, 2, 3)),
        layout(slots=4, shared=(1, 2, 3), batch=2),
    ]
    found = [
        {k: a.generated for k, a in answers(prompts, CountingEngine(), one, rules()).items()}
        for one in laid
    ]
    assert all(one == found[0] for one in found)


def test_a_replayed_group_has_the_same_batches() -> None:
    prompts = [prompt(str(index), 1, 2, index % 9) for index in range(8)]
    first, again = CountingEngine(), CountingEngine()
    for engine in (first, again):
        answers(prompts, engine, layout(shared=(1, 2)), rules())
    assert first.batches == again.batches


def test_a_prompt_longer_than_the_context_is_an_error_and_the_others_are_answered() -> None:
    prompts = [prompt("long", *range(30)), prompt("fits", 8)]
    found = answers(prompts, CountingEngine(), layout(slots=1), rules(context=20))
    assert (found["long"].finish, found["long"].generated) == ("error", [])
    assert found["fits"].finish == "stop"


def test_logits_that_are_not_finite_end_one_answer_as_an_error() -> None:
    prompts = [prompt("bad", 4), prompt("good", 8)]
    found = answers(prompts, CountingEngine(poisoned_after=5), layout(), rules())
    assert found["bad"].finish == "error"
    assert found["good"].finish == "stop"


def test_a_slot_holds_the_longest_prompt_and_its_answer() -> None:
    prompts = [prompt(str(length), *range(length)) for length in (3, 9, 6)]
    assert lay_out(prompts, rules(max_tokens=8).room, slots=2).slot_tokens == 9 + 8


def test_long_prompts_get_fewer_slots_and_at_least_one() -> None:
    def slots_for(length: int) -> int:
        prompts = [prompt(str(index), *range(index, index + length)) for index in range(9)]
        return lay_out(prompts, rules(max_tokens=8, context=10**6).room, slots=8).slots

    assert (slots_for(100), slots_for(10_000), slots_for(100_000)) == (8, 3, 1)


def test_a_layout_of_prompts_that_all_exceed_the_context_is_still_a_layout() -> None:
    laid = lay_out([prompt("a", *range(30))], rules(context=20).room, slots=4)
    assert (laid.slots, laid.slot_tokens) == (1, 1)


def test_groups_keep_order_and_lose_nothing() -> None:
    prompts = [prompt(str(index), 1) for index in range(10)] + [prompt("none")]
    cut = groups(prompts, lambda asked: 3 if asked.token_ids else 0, slots=1)
    assert [len(group) for group in cut] == [4, 3, 4]
    assert [p for group in cut for p in group] == prompts
    assert groups([], lambda asked: 3, slots=1) == []


def test_groups_of_engines_side_by_side_cost_the_same() -> None:
    prompts = [prompt(str(index), *range(90 if index < 3 else 10)) for index in range(30)]
    first, second = groups(prompts, lambda asked: 10, slots=16, engines=2)
    assert (len(first), len(second)) == (9, 21)  # 3 x 100 + 6 x 20 of 840


def test_a_group_costs_its_prompts_and_their_longest_answers() -> None:
    assert cost_of([prompt("a", 1, 2, 3), prompt("b", 1)], lambda asked: 10) == 3 + 10 + 1 + 10


def test_long_prompts_are_answered_apart_from_short_ones() -> None:
    prompts = [prompt(str(at), *range(300 if at % 3 == 0 else 30)) for at in range(24)]
    long, short = groups(prompts, lambda asked: 64, slots=16)
    assert long == prompts[::3]
    assert short == [one for one in prompts if one not in long]


def test_a_few_long_prompts_are_answered_with_the_next_shorter_ones() -> None:
    lengths = [900] * 3 + [300] * 3 + [100] * 9
    prompts = [prompt(str(at), *range(length)) for at, length in enumerate(lengths)]
    first, second = groups(prompts, lambda asked: 64, slots=16)
    assert (len(first), len(second)) == (6, 9)
    (together,) = groups(prompts[:6], lambda asked: 64, slots=64)
    assert together == prompts[:6]


def test_eight_long_prompts_are_answered_apart_however_many_slots_there_are() -> None:
    prompts = [prompt(str(at), *range(300 if at < 8 else 30)) for at in range(64)]
    long, short = groups(prompts, lambda asked: 64, slots=64)
    assert (len(long), len(short)) == (8, 56)


def test_a_few_short_prompts_are_answered_with_the_next_longer_ones() -> None:
    prompts = [prompt(str(at), *range(300 if at else 30)) for at in range(40)]
    assert groups(prompts, lambda asked: 64, slots=16) == [prompts]


def test_flash_attention_is_left_to_groups_of_unlike_or_very_long_prompts() -> None:
    def flash(*lengths: int) -> bool:
        prompts = [prompt(str(at), *range(length)) for at, length in enumerate(lengths)]
        return lay_out(prompts, rules(max_tokens=8, context=10**6).room, slots=8).flash_attention

    assert not flash(300, 280, 310, 290)
    assert flash(100, 90, 110, 95), "slots hold 256 tokens at least, and these fill less than half"
    assert flash(*(30,) * 12, 300)
    assert flash(5000, 5000)


def test_sampling_repeats_for_an_item_whoever_shares_its_batch() -> None:
    settings = DecodeSettings(max_tokens=6, temperature=3.0, seed=7)

    def sampled(count: int) -> list[int]:
        ruled = DecodingRules(
            stop_token_ids=frozenset(), room=lambda asked: 6, choose=chooser(settings)
        )
        prompts = [prompt(str(index), 20) for index in range(count)]
        return answers(prompts, CountingEngine(), layout(slots=3), ruled)["0"].generated

    assert sampled(1) == sampled(9)


def test_sampling_differs_between_items_and_seeds() -> None:
    def sampled(seed: int) -> list[list[int]]:
        settings = DecodeSettings(max_tokens=8, temperature=5.0, seed=seed)
        ruled = DecodingRules(
            stop_token_ids=frozenset(), room=lambda asked: 8, choose=chooser(settings)
        )
        prompts = [prompt(str(index), 20) for index in range(2)]
        found = answers(prompts, CountingEngine(), layout(), ruled)
        return [found["0"].generated, found["1"].generated]

    one, other = sampled(1), sampled(2)
    assert one[0] != one[1]
    assert one[0] != other[0]


def test_sampling_draws_from_the_softmax() -> None:
    """At temperature 1, logits log(1..4) have probabilities .1 .2 .3 .4; 4000 draws, 4 standard errors."""
    logits = numpy.log(numpy.array([[1.0, 2.0, 3.0, 4.0]], dtype=numpy.float32))
    choose = chooser(DecodeSettings(max_tokens=1, temperature=1.0))
    drawn = [
        choose(logits, [Answering(prompt=prompt(str(index)), slot=0, room=1, decoded=0)])[0]
        for index in range(4000)
    ]
    shares = numpy.bincount(drawn, minlength=4) / len(drawn)
    assert numpy.abs(shares - [0.1, 0.2, 0.3, 0.4]).max() < 4 * (0.25 / 4000) ** 0.5
