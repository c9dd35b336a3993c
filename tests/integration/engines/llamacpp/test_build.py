"""GGUF builds with the real llama.cpp, against its own command line tools where they are installed."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import InputError, WorkerError
from quantgate.pipelines.domain.recipe import (
    BitsPerWeight,
    Calibration,
    Format,
    GgufOptions,
    Numerics,
    Recipe,
    TensorTypeRule,
)
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.engines.backend import BuildRequest, Built, CalibrationTokens
from quantgate.pipelines.engines.llamacpp.build_messages import QuantizeCall, QuantizeFacts
from quantgate.pipelines.engines.llamacpp.workers.building.gguf import read_gguf
from quantgate.pipelines.process.calls import WorkerCall, ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.llamacpp.checkpoints import (
    Sizes,
    backend,
    f16,
    random_checkpoint,
    real_checkpoint,
    run_tool,
    work_folder,
    write_lines,
)

pytestmark = pytest.mark.integration

VOCABULARY = 361  # of the real checkpoint; the random ones have more
CHUNK_TOKENS = 128


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
        calibration_tokens=10_000,
        bits_per_weight=BitsPerWeight(low=2, high=9),
        options=GgufOptions(file_type=file_type),
    )


def corpus(folder: Path, lengths: Sequence[int]) -> CalibrationTokens:
    """Write sequences of random ids, each beginning with 1 (the real checkpoint's beginning of sequence)."""
    random = numpy.random.default_rng(1)
    rows = [
        {"id": str(i), "token_ids": [1, *random.integers(3, VOCABULARY, length - 1).tolist()]}
        for i, length in enumerate(lengths)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    return CalibrationTokens(
        file=write_lines(folder / "tokens.jsonl", rows),
        corpus_label="random@1",
        corpus_digest=Digest("c" * 64),
        sequence_count=len(lengths),
        token_count=sum(lengths),
        max_length_tokens=CHUNK_TOKENS,
    )


def build(
    checkpoint: Checkpoint, asked: Recipe, folder: Path, tokens: CalibrationTokens | None = None
) -> Built:
    output = folder / asked.name
    output.mkdir(parents=True)
    request = BuildRequest(
        checkpoint=checkpoint,
        recipe=asked,
        calibration=tokens,
        output=output,
        scratch=f16(checkpoint).parents[1],
        log=folder / "build.log",
        toolchain=backend().toolchain(1),
    )
    return backend().build(request, run_worker, ignore_progress)


def newest_matrix(checkpoint: Checkpoint) -> Path:
    """Return the matrix computed last for a checkpoint; tests of one run share its scratch folder."""
    matrices = f16(checkpoint).parents[1].glob("imatrix-*/imatrix.gguf")
    return max(matrices, key=lambda path: path.stat().st_mtime_ns)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def quantize(call: QuantizeCall, folder: Path) -> QuantizeFacts:
    module = "quantgate.pipelines.engines.llamacpp.workers.building.quantize"
    worker = WorkerCall(module=module, request=call, log=folder / "quantize.log", threads=1)
    return run_worker(worker, QuantizeFacts, ignore_progress).value


@pytest.mark.parametrize(("name", "low", "high"), [("Q8_0", 8.5, 8.5), ("Q2_K", 2.6, 3.8)])
def test_every_promised_tensor_is_quantized_at_the_bits_of_its_label(
    name: str, low: float, high: float, tmp_path: Path
) -> None:
    facts = build(real_checkpoint(), recipe(name), tmp_path).facts
    assert facts.promised
    assert facts.missed == ()
    assert facts.nonfinite_tensors == ()
    assert facts.warnings == ()
    assert low <= facts.bits_per_weight <= high


def test_a_build_repeats_byte_for_byte(tmp_path: Path) -> None:
    built = [
        build(real_checkpoint(), recipe("Q2_K"), tmp_path / str(turn)).artifact for turn in (1, 2)
    ]
    assert sha256(built[0]) == sha256(built[1])


@pytest.mark.parametrize("name", ["Q8_0", "Q4_K_M", "Q2_K"])
def test_the_file_is_the_one_llama_quantize_writes(name: str, tmp_path: Path) -> None:
    checkpoint, theirs = real_checkpoint(), tmp_path / "theirs.gguf"
    run_tool("llama-quantize", f16(checkpoint), theirs, name, 1)
    ours = build(checkpoint, recipe(name), tmp_path).artifact
    assert sha256(ours) == sha256(theirs)


def test_types_by_name_give_the_file_that_llama_quantize_writes_for_them(tmp_path: Path) -> None:
    checkpoint, theirs = real_checkpoint(), tmp_path / "theirs.gguf"
    rules = (
        TensorTypeRule(pattern=r"blk\.0\.ffn_down", type="Q6_K"),
        TensorTypeRule(pattern="attn_v", type="Q5_K"),
    )
    named = [f"{rule.pattern}={rule.type.lower()}" for rule in rules]
    options = [word for one in named for word in ("--tensor-type", one)]
    run_tool("llama-quantize", *options, f16(checkpoint), theirs, "Q2_K", 1)
    mixed = GgufOptions(file_type="Q2_K", tensor_types=rules)
    ours = build(checkpoint, replace(recipe("Q2_K"), options=mixed), tmp_path).artifact
    assert sha256(ours) == sha256(theirs)


def test_the_matrix_uses_every_token_and_reaches_every_weight(tmp_path: Path) -> None:
    """700 is longer than one batch, 5 shorter than the rows upstream would ignore."""
    lengths = [700, 5, 128, 37, 64]
    tokens = replace(corpus(tmp_path, lengths), max_length_tokens=1000)
    checkpoint = random_checkpoint(tmp_path / "base")
    asked = recipe("Q4_K_M", Calibration.IMATRIX)
    facts = build(checkpoint, asked, tmp_path / "build", tokens).facts
    assert (facts.calibration_sequences, facts.calibration_tokens) == (5, sum(lengths))
    assert facts.warnings == ()
    with read_gguf(newest_matrix(checkpoint)) as gguf:
        counts = {t.name: gguf.floats(t) for t in gguf.tensors if t.name.endswith(".counts")}
    assert len(counts) == 2 * 7
    assert {float(count[0]) for count in counts.values()} == {float(sum(lengths))}


@pytest.mark.parametrize("experts", [0, 4])
def test_the_matrix_equals_the_one_of_llama_imatrix(experts: int, tmp_path: Path) -> None:
    """Both get the same windows: text whose tokens are known, cut as that tool cuts it."""
    checkpoint = random_checkpoint(tmp_path / "base", Sizes(experts=experts))
    model, text = f16(checkpoint), tmp_path / "text"
    text.write_text("a" * 4 + "b" * 9 + " 12 naive cafe" * 700)
    tokens = _windows(checkpoint, text.read_text(), tmp_path)
    theirs = tmp_path / "theirs.gguf"
    window = ("-c", CHUNK_TOKENS, "-b", CHUNK_TOKENS, "-t", 1, "-ngl", 0)
    run_tool("llama-imatrix", "-m", model, "-f", text, "-o", theirs, "--no-ppl", *window)
    build(checkpoint, recipe("Q4_K_M", Calibration.IMATRIX), tmp_path / "build", tokens)
    _assert_equal_matrices(newest_matrix(checkpoint), theirs)


def _windows(checkpoint: Checkpoint, text: str, folder: Path) -> CalibrationTokens:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(checkpoint.folder / "tokenizer.json"))
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    count = len(ids) // CHUNK_TOKENS
    assert count >= 2
    rows = [
        {"id": str(i), "token_ids": ids[i * CHUNK_TOKENS : (i + 1) * CHUNK_TOKENS]}
        for i in range(count)
    ]
    tokens = corpus(folder, [CHUNK_TOKENS])
    return replace(tokens, file=write_lines(folder / "windows.jsonl", rows))


def _assert_equal_matrices(ours: Path, theirs: Path) -> None:
    """Counts are equal; sums of squares differ by the order of F32 additions only."""
    with read_gguf(ours) as one, read_gguf(theirs) as other:
        expected = {tensor.name: tensor for tensor in other.tensors}
        assert {tensor.name for tensor in one.tensors} == set(expected)
        for tensor in one.tensors:
            assert tensor.shape == expected[tensor.name].shape
            left, right = one.floats(tensor), other.floats(expected[tensor.name])
            tolerance = 0.0 if tensor.name.endswith(".counts") else 2e-4
            numpy.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)


def test_a_matrix_file_is_read_by_llama_quantize_with_the_same_result(tmp_path: Path) -> None:
    checkpoint = real_checkpoint()
    tokens = corpus(tmp_path, [128, 100, 77])
    built = build(checkpoint, recipe("Q4_K_M", Calibration.IMATRIX), tmp_path, tokens)
    theirs = tmp_path / "theirs.gguf"
    run_tool(
        "llama-quantize",
        "--imatrix",
        newest_matrix(checkpoint),
        f16(checkpoint),
        theirs,
        "Q4_K_M",
        1,
    )
    with read_gguf(built.artifact) as one, read_gguf(theirs) as other:
        for left, right in zip(one.tensors, other.tensors, strict=True):
            assert (left.name, left.dtype) == (right.name, right.dtype)
            assert numpy.array_equal(one.bytes_of(left), other.bytes_of(right)), left.name


def test_importance_changes_the_bytes_of_a_k_quant(tmp_path: Path) -> None:
    checkpoint, tokens = real_checkpoint(), corpus(tmp_path, [128, 100])
    plain = build(checkpoint, recipe("Q2_K"), tmp_path / "plain")
    weighed = build(checkpoint, recipe("Q2_K", Calibration.IMATRIX), tmp_path / "weighed", tokens)
    assert sha256(plain.artifact) != sha256(weighed.artifact)


def test_rows_of_100_are_misfits_and_a_forced_build_promises_them_no_type(tmp_path: Path) -> None:
    """llama.cpp reports success for it and leaves the weights at F16."""
    checkpoint = random_checkpoint(tmp_path / "base", Sizes(hidden=64, feed_forward=100))
    assert backend().misfits(checkpoint, recipe("Q8_0"))
    facts = build(checkpoint, recipe("Q8_0"), tmp_path).facts
    rows = {f"blk.{layer}.ffn_down.weight" for layer in range(2)}
    assert {tensor.type for tensor in facts.tensors if tensor.name in rows} == {"F16"}
    assert rows.isdisjoint(facts.promised)
    assert any("not divisible" in warning for warning in facts.warnings)


def test_rows_of_96_fall_back_and_the_warnings_say_so(tmp_path: Path) -> None:
    checkpoint = random_checkpoint(tmp_path / "base", Sizes(hidden=96, feed_forward=96))
    assert backend().misfits(checkpoint, recipe("Q4_K_M")) == ()
    assert backend().remarks(checkpoint, recipe("Q4_K_M"))
    facts = build(checkpoint, recipe("Q4_K_M"), tmp_path).facts
    assert facts.missed == ()
    assert not any(tensor.type == "Q4_K" for tensor in facts.tensors)
    assert any("fallback" in warning for warning in facts.warnings)


def test_a_source_that_is_its_own_destination_is_refused_and_survives(tmp_path: Path) -> None:
    """llama.cpp would truncate the file it reads from."""
    source = tmp_path / "model.gguf"
    source.write_bytes(f16(real_checkpoint()).read_bytes())
    linked = tmp_path / "link.gguf"
    linked.hardlink_to(source)
    before = sha256(source)
    call = QuantizeCall(source=source, output=linked, file_type="Q8_0", imatrix=None, threads=1)
    with pytest.raises(InputError, match="same file"):
        quantize(call, tmp_path)
    assert sha256(source) == before


def test_a_file_type_that_needs_a_matrix_fails_with_llama_cpps_reason(tmp_path: Path) -> None:
    call = QuantizeCall(
        source=f16(real_checkpoint()),
        output=tmp_path / "out.gguf",
        file_type="IQ2_XS",
        imatrix=None,
        threads=1,
    )
    with pytest.raises(WorkerError, match="imatrix"):
        quantize(call, tmp_path)


def test_token_ids_outside_the_vocabulary_are_an_input_error(tmp_path: Path) -> None:
    tokens = corpus(tmp_path, [20])
    write_lines(tokens.file, [{"id": "wild", "token_ids": [1, 99_999]}])
    with pytest.raises(InputError, match="wild"):
        build(real_checkpoint(), recipe("Q4_K_M", Calibration.IMATRIX), tmp_path, tokens)


def test_an_empty_corpus_is_an_input_error(tmp_path: Path) -> None:
    tokens = corpus(tmp_path, [20])
    tokens.file.write_text("")
    with pytest.raises(InputError, match="no tokens"):
        build(real_checkpoint(), recipe("Q4_K_M", Calibration.IMATRIX), tmp_path, tokens)


def test_nothing_of_a_failed_calibration_is_kept_as_if_it_were_whole() -> None:
    assert not [path for path in work_folder().rglob("imatrix-*") if not list(path.iterdir())]
