"""The llama.cpp backend's own decisions, with workers that only write small files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.checkpoint import Checkpoint, CheckpointDigests, TensorFacts
from quantgate.pipelines.domain.errors import InputError, WorkerError
from quantgate.pipelines.domain.recipe import (
    BitsPerWeight,
    Calibration,
    CompressedTensorsOptions,
    Format,
    GgufOptions,
    Numerics,
    Recipe,
    TensorTypeRule,
)
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.variant import QuantizedTensor
from quantgate.pipelines.engines.backend import Backend, BuildRequest, CalibrationTokens
from quantgate.pipelines.engines.llamacpp.backend import LlamaCppBackend
from quantgate.pipelines.engines.llamacpp.build_messages import (
    ConvertCall,
    ConvertFacts,
    ImatrixCall,
    ImatrixFacts,
    QuantizeCall,
    QuantizeFacts,
)
from quantgate.pipelines.process.calls import (
    OnProgress,
    Reply,
    RunWorker,
    WorkerCall,
    WorkerReply,
    ignore_progress,
)

DIGEST = Digest("a" * 64)


class ScriptedWorkers:
    """A `RunWorker` that does what each worker promises to its files, and remembers the calls."""

    def __init__(self, *, starved: tuple[str, ...] = ()) -> None:
        self.requests: list[object] = []
        self.starved = starved
        self.failing: str | None = None

    def __call__(
        self, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        self.requests.append(call.request)
        if self.failing and call.module.endswith(self.failing):
            raise WorkerError("was killed by SIGKILL", where=call.module)
        value = self._work(call.request)
        assert isinstance(value, reply_type)
        return WorkerReply(value=value, seconds=2.0, peak_memory_bytes=len(self.requests) * 100)

    def _work(self, request: object) -> object:
        if isinstance(request, ConvertCall):
            request.output.write_text("f16")
            return ConvertFacts(pre_tokenizer="gpt-2", pre_tokenizer_source="table")
        if isinstance(request, ImatrixCall):
            request.output.write_text("matrix")
            return ImatrixFacts(sequences=3, tokens=41, entries=7, starved=self.starved)
        assert isinstance(request, QuantizeCall)
        assert request.source.read_text() == "f16"
        request.output.write_text(request.file_type)
        tensor = QuantizedTensor(
            name="blk.0.ffn_up.weight",
            type="Q4_K",
            parameter_count=256,
            bits_per_weight=4.5,
            quantized=True,
        )
        return QuantizeFacts(
            tensors=(tensor,),
            promised=(tensor.name,),
            nonfinite_tensors=(),
            uncovered=("blk.0.ffn_up.weight",) if request.imatrix else (),
            warnings=("careful",),
        )

    @property
    def kinds(self) -> list[type]:
        return [type(request) for request in self.requests]


def recipe(file_type: str, calibration: Calibration = Calibration.NONE) -> Recipe:
    return Recipe(
        name=file_type,
        description="",
        scheme=file_type,
        algorithm="k-quant",
        format=Format.GGUF,
        numerics=Numerics(weights="W4", activations="A8", kv_cache="KV16"),
        runtime="llamacpp",
        calibration=calibration,
        calibration_tokens=100,
        bits_per_weight=BitsPerWeight(low=4, high=6),
        options=GgufOptions(file_type=file_type),
    )


def checkpoint(folder: Path) -> Checkpoint:
    digests = CheckpointDigests(
        weights=DIGEST, tokenizer=DIGEST, chat_template=DIGEST, config=DIGEST
    )
    up = TensorFacts(name="model.layers.0.mlp.up_proj.weight", shape=(64, 96), dtype="F16")
    return Checkpoint(
        name="tiny",
        source=str(folder),
        folder=folder,
        digests=digests,
        architecture="LlamaForCausalLM",
        dtype="float16",
        parameter_count=1,
        size_bytes=2,
        context_length_tokens=128,
        tensors=(up,),
    )


@pytest.fixture
def backend(tmp_path: Path) -> LlamaCppBackend:
    converter = tmp_path / "converter"
    for part in ("convert_hf_to_gguf.py", "conversion/base.py", "gguf-py/gguf/__init__.py"):
        (converter / part).parent.mkdir(parents=True, exist_ok=True)
        (converter / part).write_text("# script\n")
    return LlamaCppBackend(converter=converter)


Ask = Callable[[Recipe], BuildRequest]


@pytest.fixture
def ask(tmp_path: Path, backend: LlamaCppBackend) -> Ask:
    """Return build requests for one checkpoint and corpus, each with an output folder of its own."""
    tokens = tmp_path / "tokens.jsonl"
    tokens.write_text('{"id": "a", "token_ids": [1, 2]}\n')

    def request(asked: Recipe) -> BuildRequest:
        output = tmp_path / f"out-{asked.name}"
        output.mkdir(exist_ok=True)
        return BuildRequest(
            checkpoint=checkpoint(tmp_path / "base"),
            recipe=asked,
            calibration=CalibrationTokens(
                file=tokens,
                corpus_label="traffic@1",
                corpus_digest=DIGEST,
                sequence_count=1,
                token_count=2,
                max_length_tokens=64,
            )
            if asked.calibration is Calibration.IMATRIX
            else None,
            output=output,
            scratch=tmp_path / "scratch",
            log=tmp_path / "log",
            toolchain=backend.toolchain(1),
        )

    return request


def test_it_is_a_backend_and_its_workers_a_run_worker(backend: LlamaCppBackend) -> None:
    obeys: tuple[Backend, RunWorker] = (backend, ScriptedWorkers())
    assert obeys


def test_a_plain_recipe_is_converted_and_quantized_without_a_matrix(
    backend: LlamaCppBackend, ask: Ask
) -> None:
    workers = ScriptedWorkers()
    built = backend.build(ask(recipe("Q8_0")), workers, ignore_progress)
    assert workers.kinds == [ConvertCall, QuantizeCall]
    assert built.artifact.read_text() == "Q8_0"
    assert built.facts.warnings == ("careful",)
    assert (built.facts.calibration_tokens, built.facts.calibration_sequences) == (0, 0)
    assert built.facts.seconds == 4.0


def test_conversion_and_matrix_are_shared_by_the_recipes_of_a_checkpoint(
    backend: LlamaCppBackend, ask: Ask
) -> None:
    workers = ScriptedWorkers()
    for name in ("Q4_K_M", "IQ2_XS"):
        request = ask(recipe(name, Calibration.IMATRIX))
        facts = backend.build(request, workers, ignore_progress).facts
        assert (facts.calibration_tokens, facts.calibration_sequences) == (41, 3)
    assert workers.kinds == [ConvertCall, ImatrixCall, QuantizeCall, QuantizeCall]


def test_other_calibration_tokens_make_another_matrix(backend: LlamaCppBackend, ask: Ask) -> None:
    workers = ScriptedWorkers()
    request = ask(recipe("Q4_K_M", Calibration.IMATRIX))
    backend.build(request, workers, ignore_progress)
    assert request.calibration is not None
    request.calibration.file.write_text('{"id": "b", "token_ids": [3]}\n')
    backend.build(request, workers, ignore_progress)
    assert workers.kinds.count(ImatrixCall) == 2


def test_the_reference_of_the_runtime_is_the_very_file_that_is_quantized(
    backend: LlamaCppBackend, ask: Ask
) -> None:
    workers = ScriptedWorkers()
    request = ask(recipe("Q8_0"))
    reference = backend.converter.convert(
        request.checkpoint, request.scratch, workers, ignore_progress
    )
    backend.build(request, workers, ignore_progress)
    quantized = [call for call in workers.requests if isinstance(call, QuantizeCall)]
    assert [call.source for call in quantized] == [reference]
    assert workers.kinds.count(ConvertCall) == 1


def test_a_conversion_that_was_killed_leaves_nothing_and_is_done_again(
    backend: LlamaCppBackend, ask: Ask
) -> None:
    workers = ScriptedWorkers()
    workers.failing = "building.convert"
    request = ask(recipe("Q8_0"))
    with pytest.raises(WorkerError):
        backend.build(request, workers, ignore_progress)
    assert not list(request.scratch.glob("*gguf-f16-*/*"))
    workers.failing = None
    backend.build(request, workers, ignore_progress)


def test_weights_the_corpus_never_reaches_are_warned_about(
    backend: LlamaCppBackend, ask: Ask
) -> None:
    workers = ScriptedWorkers(starved=("blk.0.ffn_up_exps.weight",))
    request = ask(recipe("Q4_K_M", Calibration.IMATRIX))
    warnings = backend.build(request, workers, ignore_progress).facts.warnings
    assert any("blk.0.ffn_up_exps.weight" in warning for warning in warnings)


def test_weights_the_matrix_has_no_entry_for_are_facts_that_an_audit_fails_on(
    backend: LlamaCppBackend, ask: Ask
) -> None:
    workers = ScriptedWorkers()
    weighed = backend.build(ask(recipe("Q4_K_M", Calibration.IMATRIX)), workers, ignore_progress)
    assert weighed.facts.uncovered == ("blk.0.ffn_up.weight",)
    assert backend.build(ask(recipe("Q8_0")), workers, ignore_progress).facts.uncovered == ()


def test_types_by_name_are_handed_to_the_tool(backend: LlamaCppBackend, ask: Ask) -> None:
    workers = ScriptedWorkers()
    rules = (TensorTypeRule(pattern="ffn_down", type="Q6_K"),)
    options = GgufOptions(file_type="Q4_K_S", tensor_types=rules)
    backend.build(ask(replace(recipe("mine"), options=options)), workers, ignore_progress)
    (call,) = (request for request in workers.requests if isinstance(request, QuantizeCall))
    assert call.tensor_types == rules


def test_a_matrix_without_a_corpus_is_refused_before_anything_is_quantized(
    backend: LlamaCppBackend, ask: Ask
) -> None:
    workers = ScriptedWorkers()
    request = replace(ask(recipe("Q4_K_M", Calibration.IMATRIX)), calibration=None)
    with pytest.raises(InputError, match="calibration corpus"):
        backend.build(request, workers, ignore_progress)
    assert QuantizeCall not in workers.kinds


def test_rows_that_blocks_do_not_divide_are_remarked_on_and_fit(
    backend: LlamaCppBackend, tmp_path: Path
) -> None:
    rows_of_96 = checkpoint(tmp_path)
    assert backend.remarks(rows_of_96, recipe("Q8_0")) == ()
    (sentence,) = backend.remarks(rows_of_96, recipe("Q4_K_M"))
    assert "become 1 " in sentence
    assert backend.misfits(rows_of_96, recipe("Q4_K_M")) == ()


def test_a_file_type_that_needs_a_matrix_is_a_misfit_without_one(
    backend: LlamaCppBackend, tmp_path: Path
) -> None:
    sentences = backend.misfits(checkpoint(tmp_path), recipe("IQ2_XS"))
    assert any("importance matrix" in sentence for sentence in sentences)


def test_an_unknown_file_type_is_a_misfit_that_lists_the_known_ones(
    backend: LlamaCppBackend, tmp_path: Path
) -> None:
    (sentence,) = backend.misfits(checkpoint(tmp_path), recipe("Q4_X"))
    assert "Q4_K_M" in sentence


def test_a_recipe_of_another_tool_is_refused(backend: LlamaCppBackend, tmp_path: Path) -> None:
    options = CompressedTensorsOptions(scheme="W4A16", modifier="GPTQModifier")
    with pytest.raises(InputError, match="not a recipe for llama"):
        backend.misfits(checkpoint(tmp_path), replace(recipe("x"), options=options))


def test_a_changed_converter_is_another_toolchain_and_another_conversion(
    backend: LlamaCppBackend, ask: Ask, tmp_path: Path
) -> None:
    workers = ScriptedWorkers()
    before = backend.toolchain(1)
    backend.build(ask(recipe("Q8_0")), workers, ignore_progress)
    (tmp_path / "converter" / "conversion" / "base.py").write_text("# another\n")
    assert backend.toolchain(1).digest != before.digest
    backend.build(ask(recipe("Q8_0")), workers, ignore_progress)
    assert workers.kinds.count(ConvertCall) == 2


def test_a_missing_converter_says_how_to_get_it(tmp_path: Path) -> None:
    said = LlamaCppBackend(converter=tmp_path / "nowhere").missing()
    assert said is not None
    assert "make setup" in said
