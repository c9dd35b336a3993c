"""Choosing tokens under an item's own settings: temperature, length, stop texts, a grammar."""

import gc
import weakref
from collections.abc import Sequence
from typing import ClassVar

import numpy
import pytest
from numpy.typing import NDArray

from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.llamacpp.layout import Layout
from quantgate.pipelines.engines.llamacpp.sampling import chooser
from quantgate.pipelines.engines.llamacpp.slots import Answering, DecodingRules, run_group
from quantgate.pipelines.engines.requests import Prompt
from tests.support.llamacpp.counting import STOP, VOCABULARY, CountingEngine


class OnlyEven:
    """A grammar of even tokens, after three of which the answer is whole and may not go on."""

    alive: ClassVar[weakref.WeakSet["OnlyEven"]] = weakref.WeakSet()
    most_alive: ClassVar[int] = 0

    def __init__(self) -> None:
        OnlyEven.alive.add(self)
        OnlyEven.most_alive = max(OnlyEven.most_alive, len(OnlyEven.alive))
        self.accepted: list[int] = []

    def allows(self, token: int) -> bool:
        if token == STOP:
            return len(self.accepted) >= 3
        return token % 2 == 0 and len(self.accepted) < 3

    def allowed(self, count: int) -> NDArray[numpy.bool_]:
        return numpy.array([self.allows(token) for token in range(count)])

    def accept(self, token: int) -> None:
        assert self.allows(token), "a token that is not allowed would end the worker"
        self.accepted.append(token)


class NeverEnding(OnlyEven):
    """The same, of a model without any stop token: after three tokens nothing at all is allowed."""

    def allows(self, token: int) -> bool:
        return token != STOP and super().allows(token)


def answered(
    prompts: Sequence[Prompt],
    decode: DecodeSettings | None = None,
    grammar: type[OnlyEven] = OnlyEven,
) -> dict[str, Answering]:
    settings = decode or DecodeSettings(max_tokens=8)
    stops = frozenset({STOP})
    ended: list[Answering] = []
    rules = DecodingRules(
        stop_token_ids=stops,
        room=lambda asked: settings.max_tokens if asked.max_tokens is None else asked.max_tokens,
        choose=chooser(settings, lambda _schema: grammar(), stops),
        text_of=lambda token_ids: "".join(chr(64 + token) for token in token_ids),
    )
    layout = Layout(slots=3, shared=(), slot_tokens=100, batch_tokens=512)
    run_group(prompts, CountingEngine(), layout, rules, ended.extend)
    return {one.prompt.item_id: one for one in ended}


def test_a_grammar_binds_the_prompts_that_have_a_schema_and_no_others() -> None:
    """Greedy tokens count up, with equal logits elsewhere the lowest allowed one is taken."""
    found = answered(
        [
            Prompt(item_id="free", token_ids=(3,)),
            Prompt(item_id="bound", token_ids=(3,), schema="{}"),
            Prompt(item_id="odd", token_ids=(2,), schema="{}"),
        ]
    )
    assert found["free"].generated == [4, 5, 6, 7, 8, 9]
    assert (found["bound"].generated, found["bound"].finish) == ([4, 0, 0], "stop")
    assert (found["odd"].generated, found["odd"].finish) == ([0, 0, 0], "stop")


def test_a_bound_answer_that_may_not_go_on_ends_even_without_a_stop_token() -> None:
    bound = Prompt(item_id="bound", token_ids=(3,), schema="{}")
    found = answered([bound], grammar=NeverEnding)
    assert (found["bound"].generated, found["bound"].finish) == ([4, 0, 0], "stop")


def test_grammars_are_given_back_when_their_answers_have_ended() -> None:
    gc.collect()
    OnlyEven.most_alive = 0
    answered([Prompt(item_id=str(n), token_ids=(3,), schema="{}") for n in range(20)])
    assert 0 < OnlyEven.most_alive <= 6, "no more are alive than there are slots, twice"


def test_bound_draws_are_allowed_repeat_and_differ_between_samples() -> None:
    warm = DecodeSettings(max_tokens=8, temperature=5.0, seed=3)
    prompts = [Prompt(item_id=name, token_ids=(3,), schema="{}") for name in ("x", "x#2", "x#3")]
    first, again = answered(prompts, warm), answered(list(reversed(prompts)), warm)
    generated = {name: tuple(one.generated) for name, one in first.items()}
    assert generated == {name: tuple(one.generated) for name, one in again.items()}
    assert len(set(generated.values())) == 3
    assert all(token % 2 == 0 for tokens in generated.values() for token in tokens)


def test_a_draw_repeated_among_allowed_tokens_has_their_distribution() -> None:
    """Token 4 has weight e, the other 24 even tokens 1 each; odd ones are never seen."""
    row = numpy.zeros((1, VOCABULARY), dtype=numpy.float32)
    row[0, 4] = 1.0
    row[0, 5] = 3.0
    choose = chooser(DecodeSettings(max_tokens=1, temperature=1.0), lambda _schema: OnlyEven())
    seen = numpy.zeros(VOCABULARY)
    for number in range(8000):
        prompt = Prompt(item_id=str(number), token_ids=(1,), schema="{}")
        asking = Answering(prompt=prompt, slot=0, room=1, decoded=1)
        seen[choose(row, [asking])[0]] += 1
        asking.finish = "length"
    share = numpy.e / (numpy.e + 24)
    assert seen[1::2].sum() == 0
    assert seen[4] / 8000 == pytest.approx(share, abs=4 * (share * (1 - share) / 8000) ** 0.5)
    assert seen[2] / 8000 == pytest.approx(share / numpy.e, abs=0.01)


def test_a_prompts_own_temperature_length_and_stop_texts_count() -> None:
    """Letters stand for tokens: 4 is D."""
    found = answered(
        [
            Prompt(item_id="plain", token_ids=(3,)),
            Prompt(item_id="warm", token_ids=(3,), temperature=50.0),
            Prompt(item_id="short", token_ids=(3,), max_tokens=2),
            Prompt(item_id="stopped", token_ids=(3,), stop=("FG", "never")),
            Prompt(item_id="at the end", token_ids=(3,), stop=("E",), max_tokens=2),
        ]
    )
    assert found["plain"].generated == [4, 5, 6, 7, 8, 9]
    assert found["warm"].generated != found["plain"].generated
    assert (found["short"].generated, found["short"].finish) == ([4, 5], "length")
    assert (found["stopped"].generated, found["stopped"].finish) == ([4, 5, 6, 7], "stop")
    assert (found["at the end"].generated, found["at the end"].finish) == ([4, 5], "stop")


def test_a_greedy_prompt_in_a_warm_run_is_greedy() -> None:
    warm = DecodeSettings(max_tokens=8, temperature=50.0)
    prompts = [
        Prompt(item_id="cold", token_ids=(3,), temperature=0.0),
        Prompt(item_id="warm", token_ids=(3,)),
    ]
    found = answered(prompts, warm)
    assert found["cold"].generated == [4, 5, 6, 7, 8, 9]
    assert found["warm"].generated != found["cold"].generated


def test_broken_logits_of_a_bound_answer_are_an_error() -> None:
    ended: list[Answering] = []
    stops = frozenset({STOP})
    rules = DecodingRules(
        stop_token_ids=stops,
        room=lambda _asked: 8,
        choose=chooser(DecodeSettings(max_tokens=8), lambda _schema: OnlyEven(), stops),
    )
    layout = Layout(slots=1, shared=(), slot_tokens=100, batch_tokens=512)
    engine = CountingEngine(poisoned_after=3)
    run_group(
        [Prompt(item_id="a", token_ids=(3,), schema="{}")], engine, layout, rules, ended.extend
    )
    assert [one.finish for one in ended] == ["error"]


def test_the_closest_decision_of_a_greedy_answer_is_noted_and_of_others_none() -> None:
    ended: list[Answering] = []
    settings = DecodeSettings(max_tokens=3)
    asked = [
        Prompt(item_id="greedy", token_ids=(3,)),
        Prompt(item_id="drawn", token_ids=(3,), temperature=0.5),
        Prompt(item_id="bound", token_ids=(3,), schema="{}"),
    ]
    sequences = [
        Answering(prompt=each, slot=at, room=3, decoded=1) for at, each in enumerate(asked)
    ]
    choose = chooser(settings, lambda _schema: OnlyEven(), frozenset({STOP}))
    for gap in (2.0, 0.25, 1.5):
        logits = numpy.zeros((3, VOCABULARY), dtype=numpy.float32)
        logits[:, 4], logits[:, 6] = 5.0, 5.0 - gap
        before = logits.copy()
        choose(logits, sequences)
        assert (logits == before).all(), "logits are the engine's"
        for sequence in sequences:
            sequence.generated.append(4)
    ended.extend(sequences)
    assert [sequence.margin for sequence in ended] == [0.25, None, None]
