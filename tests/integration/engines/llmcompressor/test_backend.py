"""Real builds by llm-compressor of a tiny checkpoint: what is written, counted, warned of, loaded again."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import (
    BitsPerWeight,
    Calibration,
    CompressedTensorsOptions,
    Format,
    Numerics,
    Recipe,
)
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.engines.backend import (
    BuildRequest,
    Built,
    CalibrationTokens,
    WrittenFolder,
)
from quantgate.pipelines.engines.llmcompressor.backend import LlmCompressorBackend
from quantgate.pipelines.engines.requests import Loadable, ProbeRequest
from quantgate.pipelines.engines.transformers.runtime import TransformersRuntime
from quantgate.pipelines.engines.worker_calls import call_of
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.calls import Progress, ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.models.checkpoints import LAYERS, weights, write_checkpoint, write_safetensors

pytestmark = pytest.mark.integration

SEQUENCES, TOKENS = 16, sum(20 + at for at in range(16))
MATRICES = 7 * LAYERS
LOOSE = Recipe(
    name="any",
    description="",
    scheme="any",
    algorithm="any",
    format=Format.COMPRESSED_TENSORS,
    numerics=Numerics(weights="W", activations="A", kv_cache="bf16"),
    runtime="transformers",
    calibration=Calibration.SAMPLES,
    calibration_tokens=1000,
    bits_per_weight=BitsPerWeight(low=0, high=16),
    options=CompressedTensorsOptions(scheme="NVFP4", modifier="QuantizationModifier"),
)
GPTQ = CompressedTensorsOptions(
    scheme="W4A16", modifier="GPTQModifier", group_size=128, dampening_fraction=0.01
)
FP8 = CompressedTensorsOptions(scheme="FP8_DYNAMIC", modifier="QuantizationModifier")


@dataclass(frozen=True)
class Case:
    """A recipe and what the files must show. Matrices have 128 or 256 inputs, so scales weigh more here."""

    recipe: Recipe
    type: str
    bits: tuple[float, float]
    calibrated: bool


CASES = {
    "GPTQ": Case(replace(LOOSE, name="GPTQ", options=GPTQ), "int4", (4.125, 4.14), True),
    "NVFP4": Case(replace(LOOSE, name="NVFP4"), "nvfp4", (4.5, 4.51), True),
    "FP8_DYNAMIC": Case(
        replace(LOOSE, name="FP8_DYNAMIC", options=FP8, calibration=Calibration.NONE),
        "F8_E4M3",
        (8.0, 8.13),
        False,
    ),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("checkpoint")
    return _resolved(write_checkpoint(folder / "tiny"), folder)


def _resolved(folder: Path, root: Path) -> Checkpoint:
    store = Store(root=root / "store")
    return resolve_checkpoint(str(folder), name=None, store=store, hub=HubSettings())


def _request(base: Checkpoint, recipe: Recipe, folder: Path) -> BuildRequest:
    output = folder / f"{recipe.name}-output"
    output.mkdir(parents=True)
    calibration = CalibrationTokens(
        file=_tokens(folder),
        corpus_label="c@1",
        corpus_digest=Digest("0" * 64),
        sequence_count=SEQUENCES,
        token_count=TOKENS,
        max_length_tokens=64,
    )
    return BuildRequest(
        checkpoint=base,
        recipe=recipe,
        calibration=calibration,
        output=output,
        scratch=folder,
        log=folder / f"{recipe.name}.log",
        toolchain=LlmCompressorBackend().toolchain(threads=1),
    )


def _build(
    base: Checkpoint, recipe: Recipe, folder: Path, progress: list[Progress] | None = None
) -> Built:
    on_progress = progress.append if progress is not None else ignore_progress
    request = _request(base, recipe, folder)
    return LlmCompressorBackend().build(request, run_worker, on_progress)


def _tokens(folder: Path) -> Path:
    rows = [
        {"id": str(at), "token_ids": [1 + (at * 17 + k * k) % 250 for k in range(20 + at)]}
        for at in range(SEQUENCES)
    ]
    tokens = folder / "tokens.jsonl"
    tokens.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tokens


Result = tuple[Case, Built, list[Progress]]


@pytest.fixture(scope="module")
def results(base: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Result]:
    """Build each case once for all tests."""

    @cache
    def result(name: str) -> Result:
        progress: list[Progress] = []
        folder = tmp_path_factory.mktemp(name)
        return CASES[name], _build(base, CASES[name].recipe, folder, progress), progress

    return result


@pytest.fixture(params=CASES)
def built(request: pytest.FixtureRequest, results: Callable[[str], Result]) -> Result:
    return results(request.param)


def test_every_promised_matrix_is_quantized_at_the_promised_cost(built: Result) -> None:
    case, result, _ = built
    quantized = [tensor for tensor in result.facts.tensors if tensor.quantized]
    assert len(result.facts.promised) == len(quantized) == MATRICES
    assert result.facts.missed == ()
    assert {tensor.type for tensor in quantized} == {case.type}
    assert case.bits[0] <= result.facts.bits_per_weight <= case.bits[1]
    assert result.facts.nonfinite_tensors == ()


def test_embedding_and_norms_stay_as_they_were(built: Result) -> None:
    kept = {t.name: t for t in built[1].facts.tensors if not t.quantized}
    assert "model.embed_tokens.weight" in kept
    assert {tensor.type for tensor in kept.values()} == {"BF16"}


def test_calibration_counts_what_reached_the_first_layer(built: Result) -> None:
    case, result, progress = built
    expected = (SEQUENCES, TOKENS) if case.calibrated else (0, 0)
    facts = result.facts
    assert (facts.calibration_sequences, facts.calibration_tokens) == expected
    assert any("calibrating" in step.what for step in progress) == case.calibrated


def test_the_tokenizer_is_the_base_byte_for_byte(built: Result, base: Checkpoint) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (built[1].artifact / name).read_bytes() == (base.folder / name).read_bytes()


def test_the_variant_loads_in_its_runtime_and_decodes_finite(built: Result, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('{"id": "a", "text": "", "token_ids": [5, 6, 7]}\n')
    loadable = Loadable(path=built[1].artifact, format=Format.COMPRESSED_TENSORS)
    request = ProbeRequest(
        loadable=loadable, texts=tmp_path / "texts.jsonl", threads=1, log=tmp_path / "log"
    )
    report = TransformersRuntime().probe(request, run_worker, ignore_progress)
    assert report.loads, report.detail
    assert report.finite_logits


def test_gptq_repeats_bit_for_bit(
    base: Checkpoint, results: Callable[[str], Result], tmp_path: Path
) -> None:
    first, again = results("GPTQ")[1], _build(base, CASES["GPTQ"].recipe, tmp_path)
    names = {path.name for path in first.artifact.iterdir()}
    assert names == {path.name for path in again.artifact.iterdir()}
    for name in names:
        assert file_digest(first.artifact / name) == file_digest(again.artifact / name), name


def test_a_failed_hessian_is_a_warning_that_is_kept(base: Checkpoint, tmp_path: Path) -> None:
    """Negative dampening makes sure of it; llm-compressor then rounds to nearest, with a warning."""
    recipe = replace(LOOSE, name="undamped", options=replace(GPTQ, dampening_fraction=-2.0))
    facts = _build(base, recipe, tmp_path).facts
    assert any("Hessian inversion failed" in warning for warning in facts.warnings)


def test_nan_that_got_past_the_door_is_found_in_what_was_written(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "tiny")
    base = _resolved(folder, tmp_path)
    tensors = weights()
    tensors["model.layers.0.mlp.up_proj.weight"][0, 0] = np.nan
    write_safetensors(folder / "model.safetensors", tensors)
    facts = _build(base, CASES["FP8_DYNAMIC"].recipe, tmp_path).facts
    assert any("layers.0.mlp.up_proj" in name for name in facts.nonfinite_tensors)


def test_targets_that_match_no_module_stop_the_worker(base: Checkpoint, tmp_path: Path) -> None:
    """By name they match; in the model there is no such module, so nothing would be quantized."""
    stray = replace(base, tensors=(replace(base.tensors[-1], name="head.weight", shape=(4, 128)),))
    options = replace(FP8, targets=("head",))
    recipe = replace(CASES["FP8_DYNAMIC"].recipe, name="stray", options=options)
    with pytest.raises(CheckpointError, match=r"targets head .*match no layer"):
        _build(stray, recipe, tmp_path)


def test_smoothing_that_destroys_a_model_stops_the_worker(base: Checkpoint, tmp_path: Path) -> None:
    """llm-compressor's SmoothQuant divides a norm of Gemma2 that does not feed what it multiplies."""
    folder = tmp_path / "gemma2"
    shutil.copytree(base.folder, folder)
    _write_gemma2(folder)
    options = replace(FP8, scheme="W8A8", smoothing_strength=0.8)
    request = _request(replace(base, folder=folder), replace(LOOSE, options=options), tmp_path)
    call = call_of("quantgate.pipelines.engines.llmcompressor.workers.compress", request)
    with pytest.raises(CheckpointError, match="smoothing alone must change nothing"):
        run_worker(call, WrittenFolder, ignore_progress)


def _write_gemma2(folder: Path) -> None:
    """Replace a folder's weights and configuration by those of a small random Gemma2."""
    torch.manual_seed(0)
    config = Gemma2Config(
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=32,
        vocab_size=257,
        max_position_embeddings=128,
    )
    model = Gemma2ForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(0, 0.5) if parameter.ndim == 1 else parameter.normal_(std=0.15)
    model.save_pretrained(folder)
