"""The parent's half of the llm-compressor backend: what it asks of its worker and makes of the reply."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.architectures import TRANSFORMERS, ToolRefusal
from quantgate.pipelines.domain.checkpoint import TensorFacts
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.recipe import (
    BitsPerWeight,
    Calibration,
    CompressedTensorsOptions,
    Format,
    GgufOptions,
    Numerics,
    Recipe,
)
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.variant import ExpertTokens, QuantizedTensor
from quantgate.pipelines.engines.backend import (
    Backend,
    BuildRequest,
    CalibrationTokens,
    WrittenFolder,
)
from quantgate.pipelines.engines.llmcompressor.backend import LlmCompressorBackend
from quantgate.pipelines.process.calls import OnProgress, WorkerCall, WorkerReply, ignore_progress
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.fakes import fake_checkpoint

LAYER = "model.layers.0.mlp.up_proj.weight"
RECIPE = Recipe(
    name="NVFP4",
    description="",
    scheme="NVFP4",
    algorithm="round-to-nearest",
    format=Format.COMPRESSED_TENSORS,
    numerics=Numerics(weights="W4", activations="A4", kv_cache="bf16"),
    runtime="transformers",
    calibration=Calibration.SAMPLES,
    calibration_tokens=100,
    bits_per_weight=BitsPerWeight(low=4.4, high=4.6),
    options=CompressedTensorsOptions(scheme="NVFP4", modifier="QuantizationModifier"),
)


@dataclass
class FakeWorker:
    """Replies that nothing was quantized, as llm-compressor does where its targets match nothing."""

    calls: list[WorkerCall] = field(default_factory=list)
    promised: tuple[str, ...] = ()
    experts: tuple[ExpertTokens, ...] = ()

    def __call__(
        self, call: WorkerCall, reply_type: type[Any], on_progress: OnProgress
    ) -> WorkerReply[Any]:
        """Remember the call."""
        self.calls.append(call)
        tensor = QuantizedTensor(
            name=LAYER, type="BF16", parameter_count=4096, bits_per_weight=16.0, quantized=False
        )
        facts = WrittenFolder(
            tensors=(tensor,),
            promised=self.promised,
            experts=self.experts,
            calibration_sequences=2,
            calibration_tokens=20,
            nonfinite_tensors=(),
            warnings=("careful",),
        )
        return WorkerReply(value=facts, seconds=1.5, peak_memory_bytes=7)


def _request(folder: Path, recipe: Recipe, *, calibrated: bool) -> BuildRequest:
    tensors = (TensorFacts(name=LAYER, shape=(64, 64), dtype="F16"),)
    tokens = CalibrationTokens(
        file=folder / "tokens.jsonl",
        corpus_label="c@1",
        corpus_digest=Digest("0" * 64),
        sequence_count=2,
        token_count=20,
        max_length_tokens=10,
    )
    return BuildRequest(
        checkpoint=replace(fake_checkpoint(folder / "base"), tensors=tensors),
        recipe=recipe,
        calibration=tokens if calibrated else None,
        output=folder / "output",
        scratch=folder / "scratch",
        log=folder / "log",
        toolchain=LlmCompressorBackend().toolchain(threads=2),
    )


def test_it_is_a_backend() -> None:
    backend: Backend = LlmCompressorBackend()
    assert backend.missing() is None


def test_the_toolchain_names_every_package_and_our_own_worker() -> None:
    toolchain = LlmCompressorBackend().toolchain(threads=2)
    assert [tool.name for tool in toolchain.tools] == [
        "llmcompressor",
        "compressed-tensors",
        "transformers",
        "torch",
        "quantgate-llmcompressor-worker",
    ]
    assert toolchain.digest != LlmCompressorBackend().toolchain(threads=1).digest


def test_the_worker_gets_the_request_itself(tmp_path: Path) -> None:
    worker = FakeWorker()
    request = _request(tmp_path, RECIPE, calibrated=True)
    LlmCompressorBackend().build(request, worker, ignore_progress)
    (call,) = worker.calls
    assert call.threads == 2
    assert call.request == request
    assert request.calibration is not None


def test_what_the_recipe_promises_is_counted_even_where_the_tool_matched_nothing(
    tmp_path: Path,
) -> None:
    request = _request(tmp_path, RECIPE, calibrated=True)
    facts = LlmCompressorBackend().build(request, FakeWorker(), ignore_progress).facts
    assert facts.missed == (LAYER,)
    assert facts.calibration_tokens == 20
    assert facts.warnings == ("careful",)
    assert (facts.seconds, facts.peak_memory_bytes) == (1.5, 7)


def test_a_data_free_recipe_gives_the_worker_no_corpus(tmp_path: Path) -> None:
    options = CompressedTensorsOptions(scheme="FP8_DYNAMIC", modifier="QuantizationModifier")
    recipe = replace(RECIPE, options=options, calibration=Calibration.NONE)
    worker = FakeWorker()
    request = _request(tmp_path, recipe, calibrated=True)
    LlmCompressorBackend().build(request, worker, ignore_progress)
    sent = worker.calls[0].request
    assert sent == replace(request, calibration=None)


def test_a_calibrated_recipe_without_a_corpus_is_refused_before_any_worker(tmp_path: Path) -> None:
    worker = FakeWorker()
    with pytest.raises(InputError, match="needs a calibration corpus"):
        request = _request(tmp_path, RECIPE, calibrated=False)
        LlmCompressorBackend().build(request, worker, ignore_progress)
    assert worker.calls == []


def test_a_recipe_that_does_not_fit_is_refused_before_any_worker(tmp_path: Path) -> None:
    options = CompressedTensorsOptions(scheme="W4A16", modifier="GPTQModifier", group_size=128)
    worker = FakeWorker()
    with pytest.raises(CheckpointError, match="has 64 inputs"):
        request = _request(tmp_path, replace(RECIPE, options=options), calibrated=True)
        LlmCompressorBackend().build(request, worker, ignore_progress)
    assert worker.calls == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"architecture": "GPT2LMHeadModel"}, "is made of layers of its own (Conv1D)"),
        ({"architecture": "FalconForCausalLM"}, "is made of layers of its own (FalconLinear)"),
        (
            {"architecture": "HYV4ForCausalLM"},
            "transformers saves the experts' gate_proj as linear_gate",
        ),
        (
            {"tool_refusals": (ToolRefusal(tool=TRANSFORMERS, why="transformers 5 has no X"),)},
            "transformers 5 has no X",
        ),
    ],
)
def test_an_architecture_that_it_cannot_load_or_quantize_fits_no_recipe(
    changes: dict[str, Any], why: str, tmp_path: Path
) -> None:
    checkpoint = replace(fake_checkpoint(tmp_path), **changes)
    (recipe,) = find_recipes(("FP8_DYNAMIC",), tmp_path)
    (reason,) = LlmCompressorBackend().misfits(checkpoint, recipe)
    assert why in reason
    assert LlmCompressorBackend().nearest(checkpoint, recipe) is None


@pytest.mark.parametrize(
    ("architecture", "why"),
    [
        ("MiniMaxM3SparseForConditionalGeneration", "asks for an image"),
        ("JanusForConditionalGeneration", "has no forward pass"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_while_planning_and_offered_what_needs_no_corpus(
    architecture: str, why: str, tmp_path: Path
) -> None:
    checkpoint = replace(fake_checkpoint(tmp_path), architecture=architecture)
    gptq, dynamic, rounded = find_recipes(("W4A16--gptq_g32", "FP8_DYNAMIC", "MXFP8"), tmp_path)
    backend = LlmCompressorBackend()
    (reason,) = backend.misfits(checkpoint, gptq)
    nearest = backend.nearest(checkpoint, gptq)
    assert nearest is not None
    assert nearest.calibration is Calibration.NONE
    assert why in reason
    assert reason.endswith(f"; the nearest recipe that fits is {nearest.name}")
    assert not [*backend.misfits(checkpoint, dynamic), *backend.misfits(checkpoint, rounded)]


def test_a_recipe_for_another_backend_is_refused(tmp_path: Path) -> None:
    recipe = replace(RECIPE, options=GgufOptions(file_type="Q8_0"))
    with pytest.raises(InputError, match="is for llamacpp"):
        LlmCompressorBackend().misfits(fake_checkpoint(tmp_path), recipe)


def test_an_expert_that_was_fed_nothing_leaves_its_weights_uncovered(tmp_path: Path) -> None:
    experts = (
        ExpertTokens(name="model.layers.0.mlp.experts.1", routed=3, fed=20),
        ExpertTokens(name="model.layers.0.mlp.experts.10", routed=0, fed=0),
    )
    weights = tuple(f"{expert.name}.up_proj.weight" for expert in experts)
    worker = FakeWorker(promised=weights, experts=experts)
    request = _request(tmp_path, RECIPE, calibrated=True)
    facts = LlmCompressorBackend().build(request, worker, ignore_progress).facts
    assert facts.experts == experts
    assert facts.uncovered == weights[1:]
    assert facts.unchosen == ("model.layers.0.mlp.experts.10",)


def test_it_is_said_before_building_that_routers_stay_whole(tmp_path: Path) -> None:
    shapes = {
        "model.layers.0.mlp.gate.weight": (2, 64),
        "model.layers.0.mlp.experts.0.up_proj.weight": (64, 64),
        "model.layers.0.mlp.experts.1.up_proj.weight": (64, 64),
    }
    tensors = tuple(TensorFacts(name=n, shape=s, dtype="F16") for n, s in shapes.items())
    mixture = replace(fake_checkpoint(tmp_path), tensors=tensors)
    assert LlmCompressorBackend().remarks(mixture, RECIPE) == (
        "what chooses experts stays in full precision (1 matrices)",
    )
    assert LlmCompressorBackend().remarks(replace(mixture, tensors=tensors[:1]), RECIPE) == ()


def test_it_is_said_before_building_that_a_state_space_s_steps_stay_whole(tmp_path: Path) -> None:
    steps = TensorFacts(name="model.layers.0.mamba.dt_proj.weight", shape=(64, 64), dtype="F16")
    checkpoint = replace(fake_checkpoint(tmp_path), tensors=(steps,))
    assert LlmCompressorBackend().remarks(checkpoint, RECIPE) == (
        "what makes a state space's steps stays in full precision (1 matrices)",
    )
