"""Building AWQ and GPTQ layouts by repacking: what cannot stand in one, and what is left of a build."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.checkpoint import TensorFacts
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions, Format, Recipe
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.variant import QuantizedTensor
from quantgate.pipelines.engines.backend import BuildRequest, CalibrationTokens, WrittenFolder
from quantgate.pipelines.engines.llmcompressor.backend import LlmCompressorBackend
from quantgate.pipelines.engines.llmcompressor.layouts import RepackFacts, RepackRequest, misfits
from quantgate.pipelines.process.calls import OnProgress, WorkerCall, WorkerReply, ignore_progress
from quantgate.pipelines.specs.recipes import catalogue
from tests.support.fakes import fake_checkpoint

RECIPES = {recipe.name: recipe for recipe in catalogue()}


def _with_options(recipe: Recipe, **changes: object) -> Recipe:
    assert isinstance(recipe.options, CompressedTensorsOptions)
    return replace(recipe, options=replace(recipe.options, **changes))  # type: ignore[arg-type]


UP = TensorFacts(name="model.layers.0.mlp.up_proj.weight", shape=(256, 128), dtype="F16")
HEAD = TensorFacts(name="lm_head.weight", shape=(256, 128), dtype="F16")
MISFITS: dict[str, tuple[Recipe, tuple[TensorFacts, ...], str]] = {
    "zero points in gptq": (
        _with_options(RECIPES["GPTQ"], scheme="W4A16_ASYM"),
        (UP,),
        "the gptq layout holds W4A16, not W4A16_ASYM",
    ),
    "eight bits": (_with_options(RECIPES["AWQ"], scheme="W8A16"), (UP,), "not W8A16"),
    "low-bit cache": (_with_options(RECIPES["AWQ"], kv_cache="fp8"), (UP,), "KV-cache scales"),
    "output head": (
        _with_options(RECIPES["AWQ"], ignore=()),
        (UP, HEAD),
        "expect lm_head.weight in full precision",
    ),
    "odd outputs": (
        RECIPES["AWQ"],
        (replace(UP, shape=(252, 128)),),
        "is 252 x 128, and the awq layout packs eight outputs to a word",
    ),
    "odd outputs in gptq": (
        RECIPES["GPTQ"],
        (replace(UP, shape=(252, 128)),),
        "packs eight inputs, and eight outputs, to a word",
    ),
    "a layer left out of gptq": (
        _with_options(RECIPES["GPTQ"], ignore=("lm_head", r"re:.*up_proj")),
        (UP, replace(UP, name="model.layers.0.mlp.down_proj.weight")),
        "up_proj.weight stays whole",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_what_cannot_stand_in_a_layout_is_told_before_it_is_built(
    case: str, tmp_path: Path
) -> None:
    recipe, tensors, sentence = MISFITS[case]
    checkpoint = replace(fake_checkpoint(tmp_path / "base"), tensors=tensors)
    found = misfits(checkpoint, recipe)
    assert len(found) == 1
    assert sentence in found[0]


def test_awq_can_say_which_layers_are_left_out(tmp_path: Path) -> None:
    recipe = _with_options(RECIPES["AWQ"], ignore=("lm_head", r"re:.*up_proj"))
    tensors = (UP, replace(UP, name="model.layers.0.mlp.down_proj.weight"))
    checkpoint = replace(fake_checkpoint(tmp_path / "base"), tensors=tensors)
    assert misfits(checkpoint, recipe) == ()
    assert misfits(checkpoint, replace(recipe, format=Format.COMPRESSED_TENSORS)) == ()


@dataclass
class FakeWorkers:
    """Stands for both workers: leaves a file where each is told to write, and replies with its facts."""

    outputs: list[Path] = field(default_factory=list)

    def __call__(
        self, call: WorkerCall, reply_type: type[Any], on_progress: OnProgress
    ) -> WorkerReply[Any]:
        request = call.request
        assert isinstance(request, BuildRequest | RepackRequest)
        build = request.build if isinstance(request, RepackRequest) else request
        assert build.output.is_dir()
        self.outputs.append(build.output)
        (build.output / "config.json").write_text(reply_type.__name__)
        if isinstance(request, RepackRequest):
            assert (request.compressed / "config.json").is_file()
            packed = QuantizedTensor(
                name=UP.name, type="int4", parameter_count=9, bits_per_weight=4.2, quantized=True
            )
            return _reply(RepackFacts(tensors=(packed,), nonfinite_tensors=()), memory=5)
        facts = WrittenFolder(
            tensors=(),
            promised=(UP.name,),
            calibration_sequences=2,
            calibration_tokens=20,
            nonfinite_tensors=("of the folder that does not stay",),
            warnings=("careful",),
        )
        return _reply(facts, memory=7)


def _reply(value: Any, *, memory: int) -> WorkerReply[Any]:
    return WorkerReply(value=value, seconds=1.5, peak_memory_bytes=memory)


def test_a_build_repacks_and_keeps_nothing_between(tmp_path: Path) -> None:
    workers, backend = FakeWorkers(), LlmCompressorBackend()
    output = tmp_path / "output"
    output.mkdir()
    request = BuildRequest(
        checkpoint=replace(fake_checkpoint(tmp_path / "base"), tensors=(UP,)),
        recipe=RECIPES["GPTQ"],
        calibration=CalibrationTokens(
            file=tmp_path / "tokens.jsonl",
            corpus_label="c@1",
            corpus_digest=Digest("0" * 64),
            sequence_count=2,
            token_count=20,
            max_length_tokens=10,
        ),
        output=output,
        scratch=tmp_path / "scratch",
        log=tmp_path / "log",
        toolchain=backend.toolchain(threads=1),
    )
    built = backend.build(request, workers, ignore_progress)
    assert built.artifact == output
    assert workers.outputs[0].parent == workers.outputs[1] == output
    assert [path.name for path in output.iterdir()] == ["config.json"]
    assert (output / "config.json").read_text() == "RepackFacts"
    facts = built.facts
    assert (facts.promised, facts.missed, facts.nonfinite_tensors) == ((UP.name,), (), ())
    assert (facts.calibration_tokens, facts.warnings) == (20, ("careful",))
    assert (facts.seconds, facts.peak_memory_bytes) == (3.0, 7)
