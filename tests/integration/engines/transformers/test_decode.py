"""Batched decoding against transformers' own `generate`, in float32 where both must agree token by token."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers.utils import logging

from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.engines.transformers.workers.decode import PromptRow, decode_batch
from quantgate.pipelines.engines.transformers.workers.model import LoadedModel, load
from quantgate.pipelines.engines.transformers.workers.opening import opening_of
from tests.support.models.checkpoints import CONTEXT, write_checkpoint

pytestmark = pytest.mark.integration

NO_STOP: frozenset[int] = frozenset()
SETTINGS = DecodeSettings(max_tokens=12)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    logging.disable_progress_bar()
    found = load(write_checkpoint(tmp_path_factory.mktemp("base")))
    found.model.float()
    return found


def _prompts(*lengths: int) -> list[Prompt]:
    generator = torch.Generator().manual_seed(1)
    return [
        Prompt(
            item_id=f"item{at}",
            token_ids=tuple(torch.randint(1, 250, (length,), generator=generator).tolist()),
        )
        for at, length in enumerate(lengths)
    ]


def _generated(loaded: LoadedModel, prompt: Prompt, tokens: int) -> list[int]:
    """The oracle: transformers' own greedy search on this prompt alone."""
    with torch.inference_mode():
        ids = torch.tensor([prompt.token_ids])
        output = loaded.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=tokens,
            do_sample=False,
            eos_token_id=-1,
            pad_token_id=0,
        )
    return [int(token) for token in output[0, len(prompt.token_ids) :]]


def _decode(
    loaded: LoadedModel,
    prompts: list[Prompt],
    stop: frozenset[int] = NO_STOP,
    settings: DecodeSettings = SETTINGS,
) -> list[PromptRow]:
    return decode_batch(loaded, prompts, settings, stop)


def test_a_ragged_batch_gives_what_generate_gives_for_each_prompt_alone(
    loaded: LoadedModel,
) -> None:
    prompts = _prompts(3, 40, 17, 1, 29)
    rows = _decode(loaded, prompts)
    for row, prompt in zip(rows, prompts, strict=True):
        assert row.prompt is prompt
        assert row.generated == _generated(loaded, prompt, SETTINGS.max_tokens)
        assert row.finish == "length"


def test_what_all_prompts_begin_with_is_computed_once_and_changes_no_answer(
    loaded: LoadedModel,
) -> None:
    (opening,) = _prompts(24)
    prompts = [
        replace(prompt, token_ids=opening.token_ids + prompt.token_ids)
        for prompt in _prompts(3, 40, 17, 1, 29)
    ]
    assert opening_of(loaded, prompts).token_ids == opening.token_ids
    for row, prompt in zip(_decode(loaded, prompts), prompts, strict=True):
        assert row.generated == _generated(loaded, prompt, SETTINGS.max_tokens)


def test_rows_that_stop_early_leave_the_others_untouched(loaded: LoadedModel) -> None:
    """Each row stops at its third token where that is the stop token; the rest go on as before."""
    prompts = _prompts(5, 30, 12, 8)
    free = [row.generated for row in _decode(loaded, prompts)]
    stop = frozenset({free[1][2]})
    for row, tokens in zip(_decode(loaded, prompts, stop), free, strict=True):
        ends = [at for at, token in enumerate(tokens) if token in stop]
        assert row.generated == (tokens[: ends[0]] if ends else tokens)
        assert row.finish == ("stop" if ends else "length")


def test_the_stop_token_is_no_part_of_the_answer(loaded: LoadedModel) -> None:
    (prompt,) = _prompts(20)
    first = _generated(loaded, prompt, 1)[0]
    (row,) = _decode(loaded, [prompt], frozenset({first}))
    assert (row.generated, row.finish) == ([], "stop")


def test_an_answer_ends_where_the_context_ends(loaded: LoadedModel) -> None:
    rows = _decode(loaded, _prompts(CONTEXT - 2, 10))
    assert [(len(row.generated), row.finish) for row in rows] == [(2, "length"), (12, "length")]


def test_a_prompt_without_room_is_an_error_and_spoils_no_batch(loaded: LoadedModel) -> None:
    prompts = [*_prompts(CONTEXT, 10), Prompt(item_id="empty", token_ids=())]
    rows = _decode(loaded, prompts)
    assert [row.finish for row in rows] == ["error", "length", "error"]
    assert rows[1].generated == _generated(loaded, prompts[1], SETTINGS.max_tokens)


def test_a_batch_of_nothing_but_errors_ends(loaded: LoadedModel) -> None:
    assert [row.finish for row in _decode(loaded, _prompts(CONTEXT + 5))] == ["error"]


def test_logits_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    broken = load(write_checkpoint(tmp_path / "base"))
    with torch.no_grad():
        broken.model.model.norm.weight.fill_(float("nan"))
    (row,) = _decode(broken, _prompts(10))
    assert (row.generated, row.finish) == ([], "error")


def test_a_sample_repeats_and_does_not_depend_on_its_batch(loaded: LoadedModel) -> None:
    hot = DecodeSettings(max_tokens=8, temperature=1.0, seed=3)
    prompts = _prompts(20, 9)
    together = [row.generated for row in _decode(loaded, prompts, settings=hot)]
    alone = [_decode(loaded, [prompt], settings=hot)[0].generated for prompt in prompts]
    assert together == alone
    other_seed = DecodeSettings(max_tokens=8, temperature=1.0, seed=4)
    assert together != [row.generated for row in _decode(loaded, prompts, settings=other_seed)]
    assert together != [row.generated for row in _decode(loaded, prompts)]
