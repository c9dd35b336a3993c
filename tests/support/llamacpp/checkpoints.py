"""Small checkpoints and prompts for the llama.cpp tests; weights are random but for the real one."""

import atexit
import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.checkpoint import Checkpoint, CheckpointDigests, TensorFacts
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.engines.llamacpp.backend import LlamaCppBackend
from quantgate.pipelines.engines.llamacpp.pretypes import rules_of, written_rules
from quantgate.pipelines.engines.llamacpp.runtime import LlamaCppRuntime
from quantgate.pipelines.engines.requests import Loadable, ProbeReport, ProbeRequest
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.llamacpp.oracles import oracle
from tests.support.project import EXAMPLE, PROJECT

REAL = PROJECT / "../shared/data/models/babyllama361-llama-pad256"
BEGIN, END = "<|begin|>", "<|end|>"
NASTY_TEXTS = (
    "It's 12345 o'clock, they'RE late!!\n\n  Really?\t\tYes.",
    "naïve café – 3.14 × 10²; größer, Straße",
    "你好。世界 123 こんにちは 안녕하세요",
    "Привет, как дела? Ça va   bien…",
    '{"tool": "refund", "arguments": {"id": "A-1029", "amount": 12.50}}',
    "a  b   c    d\r\n\r\ne \u00a0 f",
    "😀🦙 don't 'quoted' I'LL we've 1st 22nd 333rd 4444th",
    "मैं ठीक हूँ, ๑๒๓ สวัสดี",
    f"{BEGIN}user: hello{END}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Shape of a random Llama."""

    hidden: int = 256
    feed_forward: int = 512
    layers: int = 2
    experts: int = 0


def backend() -> LlamaCppBackend:
    """Return the real backend; set-up installs it, so a missing one is a failure."""
    real = LlamaCppBackend(converter=Settings.from_environment().converter)
    assert real.missing() is None, real.missing()
    return real


def runtime() -> LlamaCppRuntime:
    """Return the real runtime; set-up installs it, so a missing one is a failure."""
    real = LlamaCppRuntime(convert=backend().converter.convert)
    assert real.missing() is None, real.missing()
    return real


def run_tool(name: str, *arguments: object) -> str:
    """Run one of llama.cpp's own programs and return what it printed."""
    command = [str(oracle(name)), *map(str, arguments)]
    finished = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return finished.stdout + finished.stderr


def real_checkpoint() -> Checkpoint:
    """Return the trained character-level Llama of the shared data; skips where that is absent."""
    if not REAL.is_dir():
        pytest.skip("../shared/data is not here: the real small checkpoint cannot be used")
    config = json.loads((REAL / "config.json").read_text())
    width = config["hidden_size"]
    return described(REAL, {"model.layers.0.mlp.up_proj.weight": (512, width)}, context=256)


def example_checkpoint() -> Checkpoint:
    """Return the bundled example's checkpoint."""
    shapes = {"model.layers.0.mlp.up_proj.weight": (768, 256)}
    return described(EXAMPLE / "checkpoint", shapes, context=512)


@cache
def work_folder() -> Path:
    """Return a folder of this test run that several tests share."""
    folder = Path(tempfile.mkdtemp(prefix="quantgate-llamacpp-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def f16(checkpoint: Checkpoint) -> Path:
    """Return a checkpoint's F16 GGUF, converted once per test run."""
    scratch = work_folder() / checkpoint.digests.weights[:16]
    return backend().converter.convert(checkpoint, scratch, run_worker, ignore_progress)


def byte_level_tokenizer(
    *, regex: str | None = None, digits: bool = False, ignore_merges: bool = False
) -> Tokenizer:
    """Train a byte-level BPE on the nasty texts, cut by a regex or by ByteLevel's own."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex is None)
    steps: list[pre_tokenizers.PreTokenizer] = []
    if regex:
        steps.append(pre_tokenizers.Split(Regex(regex), "isolated"))
    if digits:
        steps.append(pre_tokenizers.Digits(individual_digits=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, level]) if steps else level
    return _trained(tokenizer)


def ruled_tokenizer(name: str) -> Tokenizer:
    """Train a byte-level BPE on the nasty texts, cut by the rules of llama.cpp's name."""
    row = rules_of(name)
    assert row is not None
    content = json.loads(Tokenizer(models.BPE(ignore_merges=row.ignore_merges)).to_str())
    content["pre_tokenizer"] = written_rules(row)
    return _trained(Tokenizer.from_str(json.dumps(content)))


def _trained(tokenizer: Tokenizer) -> Tokenizer:
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=[BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(list(NASTY_TEXTS) * 3, trainer)
    return tokenizer


def random_checkpoint(
    folder: Path, sizes: Sizes | None = None, tokenizer: Tokenizer | None = None
) -> Checkpoint:
    """Write a Llama (Mixtral where it has experts) with random weights and return it."""
    sizes, tokenizer = sizes or Sizes(), tokenizer or byte_level_tokenizer()
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "bos_token": BEGIN,
        "eos_token": END,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": "{{ messages[0]['content'] }}",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    vocabulary = tokenizer.get_vocab_size()
    (folder / "config.json").write_text(json.dumps(_config(sizes, vocabulary)))
    shapes = dict(_shapes(sizes, vocabulary))
    random = numpy.random.default_rng(0)
    save_file(
        {name: _weights(random, shape) for name, shape in shapes.items()},
        folder / "model.safetensors",
    )
    return described(folder, shapes, context=128)


def described(folder: Path, shapes: Mapping[str, tuple[int, ...]], context: int) -> Checkpoint:
    """Return the checkpoint in a folder."""
    return Checkpoint(
        name=folder.name,
        source=str(folder),
        folder=folder,
        digests=CheckpointDigests(
            weights=_digest(folder / "model.safetensors"),
            tokenizer=_digest(folder / "tokenizer.json"),
            chat_template=_digest(folder / "tokenizer_config.json"),
            config=_digest(folder / "config.json"),
        ),
        architecture="LlamaForCausalLM",
        dtype="float16",
        parameter_count=1,
        size_bytes=1,
        context_length_tokens=context,
        tensors=tuple(
            TensorFacts(name=name, shape=shape, dtype="F16") for name, shape in shapes.items()
        ),
    )


def probe(model: Path, tokenizer: Tokenizer, texts: Sequence[str], folder: Path) -> ProbeReport:
    """Probe a GGUF against the base's tokenizer."""
    rows = (
        {"id": str(index), "text": text, "token_ids": ids}
        for index, (text, ids) in enumerate(
            (text, tokenizer.encode(text, add_special_tokens=False).ids) for text in texts
        )
    )
    request = ProbeRequest(
        loadable=Loadable(path=model, format=Format.GGUF),
        texts=write_lines(folder / "texts.jsonl", rows),
        threads=1,
        log=folder / "probe.log",
    )
    return runtime().probe(request, run_worker, ignore_progress)


def write_lines(path: Path, rows: Iterable[object]) -> Path:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _digest(path: Path) -> Digest:
    return Digest(hashlib.sha256(path.read_bytes()).hexdigest())


def _weights(random: numpy.random.Generator, shape: tuple[int, ...]) -> NDArray[numpy.float16]:
    if len(shape) == 1:
        return numpy.ones(shape, dtype=numpy.float16)
    values = random.standard_normal(shape) / shape[-1] ** 0.5
    return numpy.asarray(values, dtype=numpy.float16)


def _config(sizes: Sizes, vocabulary: int) -> dict[str, object]:
    routed = {"num_local_experts": sizes.experts, "num_experts_per_tok": 2}
    return {
        "architectures": ["MixtralForCausalLM" if sizes.experts else "LlamaForCausalLM"],
        "model_type": "mixtral" if sizes.experts else "llama",
        "hidden_size": sizes.hidden,
        "intermediate_size": sizes.feed_forward,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "vocab_size": vocabulary,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        **(routed if sizes.experts else {}),
    }


def _shapes(sizes: Sizes, vocabulary: int) -> Iterable[tuple[str, tuple[int, ...]]]:
    hidden, inner = sizes.hidden, sizes.feed_forward
    yield "model.embed_tokens.weight", (vocabulary, hidden)
    yield "lm_head.weight", (vocabulary, hidden)
    yield "model.norm.weight", (hidden,)
    for layer in range(sizes.layers):
        name = f"model.layers.{layer}"
        yield f"{name}.input_layernorm.weight", (hidden,)
        yield f"{name}.post_attention_layernorm.weight", (hidden,)
        yield f"{name}.self_attn.q_proj.weight", (hidden, hidden)
        yield f"{name}.self_attn.k_proj.weight", (hidden // 2, hidden)
        yield f"{name}.self_attn.v_proj.weight", (hidden // 2, hidden)
        yield f"{name}.self_attn.o_proj.weight", (hidden, hidden)
        if not sizes.experts:
            yield f"{name}.mlp.gate_proj.weight", (inner, hidden)
            yield f"{name}.mlp.up_proj.weight", (inner, hidden)
            yield f"{name}.mlp.down_proj.weight", (hidden, inner)
            continue
        yield f"{name}.block_sparse_moe.gate.weight", (sizes.experts, hidden)
        for expert in range(sizes.experts):
            part = f"{name}.block_sparse_moe.experts.{expert}"
            yield f"{part}.w1.weight", (inner, hidden)
            yield f"{part}.w2.weight", (hidden, inner)
            yield f"{part}.w3.weight", (inner, hidden)
