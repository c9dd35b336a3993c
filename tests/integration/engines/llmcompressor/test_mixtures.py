"""Mixtures of experts through the real llm-compressor, and back into transformers."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from quantgate.pipelines.audit.expectation import audit_expectation
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions, Recipe
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.engines.backend import BuildRequest, Built, CalibrationTokens
from quantgate.pipelines.engines.expected import expected_tensors
from quantgate.pipelines.engines.llmcompressor.backend import LlmCompressorBackend
from quantgate.pipelines.engines.llmcompressor.shapes import addressed
from quantgate.pipelines.engines.transformers.workers.model import load
from quantgate.pipelines.engines.transformers.workers.resemblance import resemblances
from quantgate.pipelines.engines.workers.linear_experts import load_apart
from quantgate.pipelines.formats.experts import experts_apart, routers
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import catalogue
from tests.support.models.mixtures import EXPERTS, MIXTURES, VOCABULARY, write_mixture

pytestmark = pytest.mark.integration

SEQUENCES, LENGTH = 4, 32
LEAST_ALIKE = 0.98
"""Random weights in four bits; the cosine of two unrelated matrices of this size is below 0.05."""
ROUNDING = 0.02
"""What another order of sums in bfloat16 changes of most tokens' logits, as a share of their norm.

A few tokens go to another expert for it.
"""
RECIPES = {recipe.name: recipe for recipe in catalogue()}
IN_CI = ("mixtral", "gpt_oss")
EVERY = [pytest.param(name, marks=() if name in IN_CI else pytest.mark.slow) for name in MIXTURES]


@dataclass(frozen=True, slots=True)
class Mixture:
    """A checkpoint, and what was built of it."""

    base: Checkpoint
    built: Built


@pytest.fixture(scope="module", params=EVERY)
def mixture(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mixture:
    logging.disable_progress_bar()
    folder = tmp_path_factory.mktemp(request.param)
    base = write_mixture(folder / request.param, request.param)
    return Mixture(base=base, built=_build(base, RECIPES["NVFP4"], folder))


def _build(base: Checkpoint, recipe: Recipe, folder: Path) -> Built:
    output = folder / recipe.name
    output.mkdir()
    tokens = folder / "tokens.jsonl"
    rows = [
        {"id": str(at), "token_ids": [1 + (at * 17 + k * k) % 250 for k in range(LENGTH)]}
        for at in range(SEQUENCES)
    ]
    tokens.write_text("".join(json.dumps(row) + "\n" for row in rows))
    backend = LlmCompressorBackend()
    calibration = CalibrationTokens(
        file=tokens,
        corpus_label="c@1",
        corpus_digest=Digest("0" * 64),
        sequence_count=SEQUENCES,
        token_count=SEQUENCES * LENGTH,
        max_length_tokens=LENGTH,
    )
    request = BuildRequest(
        checkpoint=base,
        recipe=recipe,
        calibration=calibration,
        output=output,
        scratch=folder,
        log=folder / f"{recipe.name}.log",
        toolchain=backend.toolchain(threads=1),
    )
    return backend.build(request, run_worker, ignore_progress)


def _addressed(base: Checkpoint, recipe: Recipe) -> set[str]:
    assert isinstance(recipe.options, CompressedTensorsOptions)
    return {tensor.name for tensor in addressed(base.tensors, recipe.options)}


def test_every_experts_weight_is_quantized_as_foretold_and_no_router(mixture: Mixture) -> None:
    base, recipe, facts = mixture.base, RECIPES["NVFP4"], mixture.built.facts
    assert (facts.missed, facts.nonfinite_tensors, facts.uncovered) == ((), (), ())
    assert set(facts.promised) == _addressed(base, recipe)
    expected = expected_tensors(base, recipe)
    assert [f for f in audit_expectation(recipe, expected, facts.tensors) if not f.passed] == []
    apart = {tensor.name: tensor.shape for tensor in experts_apart(base.tensors)}
    quantized = {tensor.name for tensor in facts.tensors if tensor.quantized}
    assert routers(apart)
    assert not routers(apart) & quantized
    assert sum(".experts." in name for name in quantized) >= 2 * EXPERTS


def test_it_loads_again_and_its_weights_are_like_the_bases(mixture: Mixture) -> None:
    loaded = load(mixture.built.artifact)
    assert torch.isfinite(_logits(loaded.model)).all()
    alike = {each.name: each.cosine for each in resemblances(loaded, mixture.base.folder)}
    promised = mixture.built.facts.promised
    assert [name for name in promised if alike.get(name, 0.0) < LEAST_ALIKE] == []


def test_the_expert_that_no_token_is_sent_to_is_named_and_was_fed_all(mixture: Mixture) -> None:
    facts = mixture.built.facts
    assert {expert.fed for expert in facts.experts} == {SEQUENCES * LENGTH}
    last = {expert.name for expert in facts.experts if expert.name.endswith(f".{EXPERTS - 1}")}
    (note,) = (text for text in facts.warnings if "experts were calibrated" in text)
    for name in facts.unchosen[:1]:
        assert name in note
    if mixture.base.name in IN_CI:
        assert set(facts.unchosen) == last


def test_experts_apart_compute_what_transformers_does_with_fused_ones(mixture: Mixture) -> None:
    folder = mixture.base.folder
    fused = _logits(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16))
    apart = _logits(load_apart(folder, torch.bfloat16))
    changes = (apart - fused).norm(dim=-1) / fused.norm(dim=-1)
    assert float(changes.median()) < ROUNDING


@torch.no_grad()
def _logits(model: torch.nn.Module) -> torch.Tensor:
    model.eval()
    ids = torch.tensor([[1 + (k * k) % (VOCABULARY - 7) for k in range(LENGTH)]])
    logits: torch.Tensor = model(input_ids=ids).logits.float()
    return logits


@pytest.mark.parametrize(
    "name", ["W4A16--gptq", "AWQ", pytest.param("FP8_DYNAMIC--kv_fp8", marks=pytest.mark.slow)]
)
def test_other_schemes_and_the_packed_layout_hold_a_mixture_too(name: str, tmp_path: Path) -> None:
    kind = "qwen3_moe" if name == "AWQ" else "mixtral"
    base, recipe = write_mixture(tmp_path / kind, kind), RECIPES[name]
    built = _build(base, recipe, tmp_path)
    expected = expected_tensors(base, recipe)
    findings = audit_expectation(recipe, expected, built.facts.tensors)
    assert [finding for finding in findings if not finding.passed] == []
    assert built.facts.missed == ()
    assert torch.isfinite(_logits(load(built.artifact).model)).all()


def test_experts_that_are_left_out_by_the_checkpoints_own_names_stay_whole(tmp_path: Path) -> None:
    base, recipe = write_mixture(tmp_path / "mixtral", "mixtral"), RECIPES["FP8_DYNAMIC"]
    assert isinstance(recipe.options, CompressedTensorsOptions)
    options = replace(recipe.options, ignore=("lm_head", "re:.*block_sparse_moe.*w2"))
    facts = _build(base, replace(recipe, options=options), tmp_path).facts
    whole = {tensor.name for tensor in facts.tensors if not tensor.quantized}
    assert facts.missed == ()
    assert sum(name.endswith("w2.weight") for name in whole) == 2 * EXPERTS
    assert not any(name.endswith("w1.weight") for name in whole)
