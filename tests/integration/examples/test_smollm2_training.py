"""Training of the smollm2 example, on the small model of the other one: exact, resumable, mergeable."""

import json
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.support.project import EXAMPLE
from tests.support.scripts import importable_scripts

pytestmark = pytest.mark.integration

BASE = EXAMPLE / "checkpoint"


@pytest.fixture(scope="module", autouse=True)
def _scripts() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with importable_scripts():
        yield
    torch.set_num_threads(threads)


def new_learner() -> Any:
    learner = import_module("learner")
    return learner.Learner(BASE, learner.Course(steps=4, batch_tokens=256, warmup_steps=1))


def learnt(folder: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = load_file(folder / "adapter_model.safetensors")
    return weights


def test_an_opening_that_is_computed_once_gives_the_loss_and_the_gradients_of_whole_prompts() -> (
    None
):
    learner_module, adapter = import_module("learner"), import_module("adapter")
    learner, lessons = new_learner(), import_module("lessons")
    list(learner.learn())  # so that both matrices of a pair are more than zero
    examples = list(islice(learner.encoder.examples(lessons.lessons(3, lessons.SHARES)), 5))
    opening = learner.encoder.opening
    assert opening
    weights = list(adapter.adapter_weights(learner.model).values())
    whole = [
        type(example)(prompt=opening + example.prompt, answer=example.answer)
        for example in examples
    ]
    for batch, shared in ((examples, opening), (whole, [])):
        loss = learner_module.answer_loss(learner.model, shared, batch)
        gradients = torch.autograd.grad(loss, weights)
        if shared:
            first_loss, first_gradients = loss.detach(), gradients
    torch.testing.assert_close(loss.detach(), first_loss, rtol=1e-5, atol=1e-6)
    for gradient, first in zip(gradients, first_gradients, strict=True):
        torch.testing.assert_close(gradient, first, rtol=1e-3, atol=1e-6)


def test_a_course_that_was_interrupted_ends_with_the_weights_of_one_that_was_not(
    tmp_path: Path,
) -> None:
    whole = new_learner()
    results = list(whole.learn())
    assert [result.step for result in results] == [1, 2, 3, 4]
    whole.save(tmp_path / "whole")
    first = new_learner()
    list(islice(first.learn(), 2))
    first.save(tmp_path / "parts")
    second = new_learner()
    second.resume(tmp_path / "parts")
    assert [result.loss for result in second.learn()] == [result.loss for result in results[2:]]
    second.save(tmp_path / "parts")
    wholly, partly = learnt(tmp_path / "whole"), learnt(tmp_path / "parts")
    assert set(wholly) == set(partly)
    assert all(torch.equal(wholly[name], partly[name]) for name in wholly)


def test_a_merged_checkpoint_computes_what_the_model_with_its_adapter_computes(
    tmp_path: Path,
) -> None:
    adapter = import_module("adapter")
    learner = new_learner()
    list(learner.learn())
    learner.save(tmp_path)
    with torch.no_grad():  # files hold bfloat16
        for weight in adapter.adapter_weights(learner.model).values():
            weight.copy_(weight.to(torch.bfloat16))
    ids = torch.tensor([[5, 80, 200, 7, 31]])
    wanted = learner.model(ids).logits
    plain = type(learner.model).from_pretrained(BASE, dtype=torch.float32)
    before = plain(ids).logits
    plain.load_state_dict(adapter.merged(plain.state_dict(), tmp_path))
    torch.testing.assert_close(plain(ids).logits, wanted, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(before, wanted, atol=1e-3)


def test_adapters_are_as_peft_names_them_and_leave_a_model_alone_before_they_learn(
    tmp_path: Path,
) -> None:
    learner = new_learner()
    ids = torch.tensor([[5, 80, 200, 7, 31]])
    plain = type(learner.model).from_pretrained(BASE, dtype=torch.float32)
    assert torch.equal(learner.model(ids).logits, plain(ids).logits)
    learner.save(tmp_path)
    names = set(learnt(tmp_path))
    assert "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight" in names
    assert len(names) == 2 * 7 * plain.config.num_hidden_layers
    config = json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))
    assert (config["r"], config["lora_alpha"], config["peft_type"]) == (16, 32, "LORA")


def test_the_same_adapter_merges_into_the_same_bytes(tmp_path: Path) -> None:
    learner, adapter = new_learner(), import_module("adapter")
    list(islice(learner.learn(), 1))
    learner.save(tmp_path / "adapter")
    bases = [tmp_path / "first" / "base", tmp_path / "second" / "base"]
    for base in bases:
        base.parent.mkdir()
        adapter.write_base(BASE, tmp_path / "adapter", base)
    first, second = ((base / "model.safetensors").read_bytes() for base in bases)
    assert first == second
    assert first != (BASE / "model.safetensors").read_bytes()
    assert {file.name for file in bases[0].iterdir()} == {file.name for file in BASE.iterdir()}


def test_accuracy_is_counted_by_slice_with_the_program_s_graders() -> None:
    accuracy, learner = import_module("accuracy"), new_learner()
    counts = accuracy.accuracy_by_slice(learner.model, BASE, EXAMPLE / "suite", 2)
    assert counts["flat"] == (2, 2)
    assert sum(count for _, count in counts.values()) >= 18
