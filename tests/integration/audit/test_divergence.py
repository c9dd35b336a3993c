"""Divergence in real child processes: against llama.cpp's own tool, against torch, and of plain rounding."""

import json
import math
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy
import pytest
import torch
from compressed_tensors.quantization import preset_name_to_scheme
from compressed_tensors.quantization.lifecycle.forward import fake_quantize
from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM

from quantgate.pipelines.audit.rulers import ruler_of
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions, Format, KvCacheType
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.domain.verdicts.ruler import Grid, Ruler
from quantgate.pipelines.engines.divergence.rulers import RulersRequest, measure_rulers
from quantgate.pipelines.engines.llamacpp.build_messages import QuantizeCall, QuantizeFacts
from quantgate.pipelines.engines.requests import DivergenceRequest, Loadable
from quantgate.pipelines.engines.transformers.runtime import TransformersRuntime
from quantgate.pipelines.engines.transformers.workers.resemblance import resemblance
from quantgate.pipelines.engines.transformers.workers.rounding import rounded
from quantgate.pipelines.process.calls import Reply, WorkerCall, ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.llamacpp.checkpoints import (
    described,
    example_checkpoint,
    f16,
    real_checkpoint,
    run_tool,
    work_folder,
    write_lines,
)
from tests.support.llamacpp.perplexity import printed_divergence
from tests.support.models.checkpoints import (
    CONTEXT,
    LAYERS,
    weights,
    write_checkpoint,
    write_safetensors,
)
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

WINDOW_TOKENS, CHUNKS, MAX_PRINTINGS = 128, 4, 50
KL_FILE_HEADER_BYTES = 20
"""`_logits_`, then context size, vocabulary size and chunk count (tools/perplexity/perplexity.cpp)."""


@cache
def quantized(file_type: str) -> Path:
    output = work_folder() / f"divergence-{file_type}.gguf"
    call = QuantizeCall(
        source=f16(example_checkpoint()),
        output=output,
        file_type=file_type,
        imatrix=None,
        threads=1,
    )
    _run("quantgate.pipelines.engines.llamacpp.workers.building.quantize", call, QuantizeFacts)
    return output


@cache
def tokens() -> Path:
    random = numpy.random.default_rng(0)
    rows = [
        {"id": str(at), "token_ids": random.integers(3, 1700, size=40 + 20 * at).tolist()}
        for at in range(4)
    ]
    return write_lines(work_folder() / "divergence-tokens.jsonl", rows)


def _run(module: str, call: object, reply: type[Reply]) -> Reply:
    worker = WorkerCall(module=module, request=call, log=work_folder() / "log", threads=1)
    return run_worker(worker, reply, ignore_progress).value


def gguf_divergence(
    variant: Path,
    sequences: Path | None = None,
    *,
    kv_cache: KvCacheType = "f16",
    base_logits: Path | None = None,
) -> Divergence:
    request = DivergenceRequest(
        base=Loadable(path=f16(example_checkpoint()), format=Format.GGUF),
        variant=Loadable(path=variant, format=Format.GGUF, kv_cache=kv_cache),
        sequences=sequences or tokens(),
        max_tokens=1000,
        threads=1,
        log=work_folder() / "log",
        base_logits=base_logits,
    )
    return _run("quantgate.pipelines.engines.llamacpp.workers.divergence", request, Divergence)


def test_fewer_bits_diverge_more_and_the_base_from_itself_not_at_all() -> None:
    base = f16(example_checkpoint())
    itself, more, fewer = map(gguf_divergence, (base, quantized("Q8_0"), quantized("Q2_K")))
    assert replace(itself, tripwires=None) == Divergence(
        mean_kl=0.0, top1_agreement=1.0, tokens=39 + 59 + 79 + 99
    )
    assert itself.tripwires is not None
    assert itself.tripwires.perplexity == itself.tripwires.base_perplexity
    assert itself.tripwires.margin == itself.tripwires.base_margin
    assert 0 < more.mean_kl < fewer.mean_kl / 10
    assert more.top1_agreement > fewer.top1_agreement
    assert gguf_divergence(quantized("Q2_K")) == fewer, "it repeats"


def test_logits_kept_of_the_base_stand_in_for_it(tmp_path: Path) -> None:
    kept = tmp_path / "logits"
    first = gguf_divergence(quantized("Q2_K"), base_logits=kept)
    (log := work_folder() / "log").unlink()

    assert (
        gguf_divergence(quantized("Q2_K"), base_logits=kept)
        == first
        == gguf_divergence(quantized("Q2_K"))
    )
    loads = log.read_text().count("llama_model_loader: loaded meta data")
    assert loads == 1 + 2, "the first of these two calls did not load the base"


def test_a_quantized_cache_counts() -> None:
    base = f16(example_checkpoint())
    eight = gguf_divergence(base, kv_cache="q8_0")
    four = gguf_divergence(base, kv_cache="q4_0")
    assert 0 < eight.mean_kl < four.mean_kl / 10


def test_an_unknown_token_or_a_damaged_file_is_refused(tmp_path: Path) -> None:
    stray = write_lines(tmp_path / "stray.jsonl", [{"id": "a", "token_ids": [1, 2, 9999]}])
    with pytest.raises(InputError, match="token id 9999"):
        gguf_divergence(f16(example_checkpoint()), stray)
    (tmp_path / "none.gguf").write_bytes(b"GGUF")
    with pytest.raises(CheckpointError, match="does not load"):
        gguf_divergence(tmp_path / "none.gguf")


def test_another_vocabulary_is_refused_before_it_is_asked_for_tokens_it_lacks() -> None:
    with pytest.raises(CheckpointError, match="between different vocabularies"):
        gguf_divergence(f16(real_checkpoint()))


def test_it_is_what_llama_perplexity_prints(tmp_path: Path) -> None:
    """That tool looks at the second half of each window, so the first half is taken off again.

    It keeps the base's log-probabilities in 16 bits, so the last digits may differ.
    """
    text = tmp_path / "text.txt"
    traffic = (EXAMPLE / "traffic" / "messages.jsonl").read_text().splitlines()[:200]
    text.write_text("\n".join(m["content"] for row in traffic for m in json.loads(row)["messages"]))
    common = ("-f", text, "-c", WINDOW_TOKENS, "--chunks", CHUNKS, "-t", 1, "-b", WINDOW_TOKENS)
    saved = ("--kl-divergence-base", tmp_path / "base.kld")
    run_tool("llama-perplexity", "-m", f16(example_checkpoint()), *common, *saved)
    model = ("-m", quantized("Q2_K"), "--kl-divergence")
    printed = _mean_divergence(lambda: run_tool("llama-perplexity", *model, *common, *saved))
    whole, first = (
        gguf_divergence(quantized("Q2_K"), _windows(tmp_path, length))
        for length in (WINDOW_TOKENS, WINDOW_TOKENS // 2 + 1)
    )
    positions = whole.tokens - first.tokens
    mean = (whole.mean_kl * whole.tokens - first.mean_kl * first.tokens) / positions
    assert mean == pytest.approx(printed, rel=2e-4)


def _mean_divergence(run: Callable[[], str]) -> float:
    """The mean that the tool prints last; it is asked again where its log lost its end."""
    for _ in range(MAX_PRINTINGS):
        if (mean := printed_divergence(run())) is not None:
            return mean
    raise AssertionError(f"no mean divergence was printed in {MAX_PRINTINGS} runs")


def _windows(folder: Path, length: int) -> Path:
    """The windows the tool cut, read from its own file."""
    content = (folder / "base.kld").read_bytes()
    window, _, chunks = struct.unpack("<3i", content[8:KL_FILE_HEADER_BYTES])
    ids = numpy.frombuffer(
        content, dtype="<i4", count=window * chunks, offset=KL_FILE_HEADER_BYTES
    ).reshape(chunks, window)
    rows = [{"id": str(at), "token_ids": row[:length].tolist()} for at, row in enumerate(ids)]
    return write_lines(folder / f"windows-{length}.jsonl", rows)


def test_two_checkpoints_diverge_in_llama_cpp_as_they_do_in_torch(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    for path in (EXAMPLE / "checkpoint").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    random = numpy.random.default_rng(0)
    changed = {
        name: (values * (1 + 0.02 * random.standard_normal(values.shape))).astype(values.dtype)
        for name, values in load_file(folder / "model.safetensors").items()
    }
    save_file(changed, folder / "model.safetensors", metadata={"format": "pt"})
    found = gguf_divergence(f16(described(folder, {}, context=512)))
    assert found.mean_kl == pytest.approx(_torch_divergence(folder), rel=0.02)


@torch.inference_mode()
def _torch_divergence(other: Path) -> float:
    logs = []
    rows = [json.loads(line)["token_ids"] for line in tokens().read_text().splitlines()]
    for path in (EXAMPLE / "checkpoint", other):
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
        logits = [model(input_ids=torch.tensor([ids[:-1]])).logits[0] for ids in rows]
        logs.append(torch.cat(logits).double().log_softmax(dim=1))
    base, drifted = logs
    return float((base.exp() * (base - drifted)).sum(dim=1).mean())


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("tiny") / "base")


def folder_divergence(
    base: Path, variant: Path, where: Path, kept: Path | None = None
) -> Divergence:
    rows = [{"id": "a", "token_ids": [1 + (at * 31) % 250 for at in range(CONTEXT + 9)]}]
    request = DivergenceRequest(
        base=Loadable(path=base, format=None),
        variant=Loadable(path=variant, format=Format.COMPRESSED_TENSORS),
        sequences=write_lines(where / "tokens.jsonl", rows),
        max_tokens=500,
        threads=1,
        log=where / "log",
        base_logits=kept,
    )
    return TransformersRuntime().divergence(request, run_worker, ignore_progress)


def test_a_folder_does_not_diverge_from_itself_and_is_cut_to_its_context(
    tiny: Path, tmp_path: Path
) -> None:
    found = folder_divergence(tiny, tiny, tmp_path)
    assert (found.mean_kl, found.top1_agreement, found.tokens) == (0.0, 1.0, CONTEXT - 1)
    assert all(weight.cosine > 0.999 for weight in found.resemblances)
    assert len(found.resemblances) == 7 * LAYERS


def test_rulers_and_folders_share_the_logits_kept_of_their_base(tiny: Path, tmp_path: Path) -> None:
    kept = tmp_path / "logits"
    fresh = folder_divergence(tiny, tiny, tmp_path, kept)
    sealed = (kept / "manifest.json").stat()
    call = RulersRequest(
        base=tiny,
        rulers=(Ruler(label="nothing"),),
        sequences=tmp_path / "nowhere.jsonl",  # it is not read where the base is not run
        max_tokens=500,
        threads=1,
        log=tmp_path / "rulers.log",
        base_logits=kept,
    )
    (nothing,) = measure_rulers(call, run_worker, ignore_progress)

    assert (nothing.mean_kl, nothing.tripwires) == (fresh.mean_kl, fresh.tripwires)
    assert (kept / "manifest.json").stat() == sealed


def test_a_folder_whose_logits_overflow_diverges_infinitely(tiny: Path, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "overflowing")
    spoilt = {name: values.astype("float32") for name, values in weights().items()}
    spoilt["model.norm.weight"][:] = 3e38
    write_safetensors(folder / "model.safetensors", spoilt)
    assert math.isinf(folder_divergence(tiny, folder, tmp_path).mean_kl)


def test_rulers_of_fewer_bits_diverge_more_each_measured_on_its_own(tiny: Path) -> None:
    def integers(bits: int) -> Grid:
        return Grid(values="integer", shared_by="group", size=32, bits=bits)

    rulers = (
        Ruler(label="nothing"),
        Ruler(label="8", weights=integers(8)),
        Ruler(label="8/8", weights=integers(8), activations=integers(8)),
        Ruler(label="3", weights=integers(3)),
        Ruler(label="3 and the head", weights=integers(3), head=integers(3)),
        Ruler(label="cache", kv_cache=integers(4)),
    )
    rows = [{"id": "a", "token_ids": [1 + (at * 37) % 250 for at in range(CONTEXT)]}]
    call = RulersRequest(
        base=tiny,
        rulers=rulers,
        sequences=write_lines(work_folder() / "rulers.jsonl", rows),
        max_tokens=500,
        threads=1,
        log=work_folder() / "rulers.log",
    )
    nothing, eight, both, three, head, held = (
        found.mean_kl for found in measure_rulers(call, run_worker, ignore_progress)
    )
    assert nothing == 0.0
    assert 0 < eight < both < three < head
    assert held > 0


# MX scales are left out: compressed-tensors rounds their exponent, the specification cuts it off.
SCHEMES = ("W4A16", "W4A16_ASYM", "W8A8", "FP8", "FP8_DYNAMIC", "FP8_BLOCK", "NVFP4", "W8A16")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_our_rounding_is_compressed_tensors_own(scheme: str) -> None:
    """The same numbers from two implementations: the ruler is the scheme's, not one of our making."""
    values = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    options = preset_name_to_scheme(scheme, ["Linear"]).weights
    shared = {
        "group": lambda: values.reshape(64, -1, options.group_size),
        "tensor_group": lambda: values.reshape(64, -1, options.group_size),
        "channel": lambda: values.reshape(64, 1, 256),
        "tensor": lambda: values.reshape(1, -1),
        "block": lambda: values.reshape(1, 64, 2, 128).permute(0, 2, 1, 3).reshape(1, 2, -1),
    }[str(options.strategy)]()
    whole = None
    if options.strategy == "tensor_group":
        whole = generate_gparam(values.min().reshape(1), values.max().reshape(1))
    low, high = shared.amin(-1), shared.amax(-1)
    scale, zero_point = calculate_qparams(low, high, options, global_scale=whole)
    theirs = fake_quantize(values, scale, zero_point, options, global_scale=whole)
    named = CompressedTensorsOptions(scheme=scheme, modifier="QuantizationModifier")
    (recipe,) = find_recipes(("FP8_DYNAMIC",), Path())
    grid = ruler_of(replace(recipe, options=named)).weights
    assert grid is not None
    torch.testing.assert_close(rounded(values, grid), theirs, rtol=0, atol=1e-6)


def test_weights_resemble_others_of_which_rows_and_columns_were_scaled_and_no_noise() -> None:
    random = torch.Generator().manual_seed(0)
    original, noise = (torch.randn(512, 256, generator=random) for _ in range(2))
    columns, rows = torch.ones(256), torch.randn(512, 1, generator=random).exp()
    columns[:6] = 60.0
    assert resemblance(original * columns * rows, original) == pytest.approx(1.0, abs=1e-5)
    assert abs(resemblance(noise, original)) < 0.02
    assert resemblance(torch.zeros_like(original), original) == 0.0
