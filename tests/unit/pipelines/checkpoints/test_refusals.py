"""Each checkpoint that must not be built from is refused with one clear sentence, before any heavy work."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.checkpoints.tools import CheckpointTools
from quantgate.pipelines.domain.architectures import ToolArchitectures
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from tests.support.models.checkpoints import (
    VOCABULARY,
    edit_json,
    weights,
    write_checkpoint,
    write_raw,
    write_safetensors,
    write_shards,
)

WEIGHTS = "model.safetensors"
Damage = Callable[[Path], object]


def _pickled_only(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")


def _without_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def _gguf_only(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "model-Q4_K_M.gguf")


def _adapter(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text("{}")


def _truncated(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:-1])


def _truncated_in_header(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:100])


def _empty(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"")


def _trailing_bytes(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes() + b"\0")


def _lfs_pointer(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")


def _hole(folder: Path) -> None:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}
    write_raw(folder / WEIGHTS, {"a": entry}, bytes(8))


def _overlap(folder: Path) -> None:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    write_raw(folder / WEIGHTS, {"a": entry, "b": entry}, bytes(4))


def _wrong_byte_count(folder: Path) -> None:
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}
    write_raw(folder / WEIGHTS, {"a": entry}, bytes(4))


def _unknown_dtype(folder: Path) -> None:
    entry = {"dtype": "Q4", "shape": [2], "data_offsets": [0, 4]}
    write_raw(folder / WEIGHTS, {"a": entry}, bytes(4))


def _missing_shard(folder: Path) -> None:
    write_shards(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()


def _tensor_in_another_shard(folder: Path) -> None:
    write_shards(folder)
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["model.norm.weight"] = "model-00001-of-00002.safetensors"
    content["weight_map"]["model.embed_tokens.weight"] = "model-00002-of-00002.safetensors"
    index.write_text(json.dumps(content))


def _shard_outside_the_folder(folder: Path) -> None:
    write_shards(folder)
    index = {"weight_map": {"a": "../../etc/passwd"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _with(name: str, value: np.ndarray | None) -> Damage:
    def change(folder: Path) -> None:
        tensors = weights()
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value
        write_safetensors(folder / WEIGHTS, tensors)

    return change


def _nonfinite(value: float, dtype: type[np.floating]) -> Damage:
    def change(folder: Path) -> None:
        tensors = {name: values.astype(dtype) for name, values in weights().items()}
        tensors["model.layers.1.mlp.up_proj.weight"][3, 5] = value
        write_safetensors(folder / WEIGHTS, tensors)

    return change


def _nan_in_bfloat16(folder: Path) -> None:
    words = {
        name: (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        for name, values in weights().items()
    }
    words["model.layers.1.mlp.up_proj.weight"][-1, -1] = 0xFFC0
    write_safetensors(folder / WEIGHTS, words)


def _config(**changes: object) -> Damage:
    return lambda folder: edit_json(folder / "config.json", **changes)


def _text(name: str, text: str) -> Damage:
    return lambda folder: (folder / name).write_text(text)


def _gone(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


NAN_TENSOR = "tensors hold NaN or infinity, the first is model.layers.1.mlp.up_proj.weight"


def _token_beyond(folder: Path) -> None:
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["vocab"]["beyond"] = VOCABULARY
    path.write_text(json.dumps(tokenizer))


REFUSALS: dict[str, tuple[Damage, str]] = {
    "pickled weights": (_pickled_only, "only pickled weights (pytorch_model.bin)"),
    "no weights": (_without_weights, "has neither model.safetensors nor"),
    "gguf": (_gguf_only, "holds GGUF files"),
    "adapter": (_adapter, "is an adapter"),
    "remote code of the tokenizer": (
        lambda folder: edit_json(folder / "tokenizer_config.json", auto_map={"A": ["x.Y", None]}),
        "code of its own",
    ),
    "no tokenizer": (_gone("tokenizer.json"), "tokenizer.json is missing"),
    "tokenizer is not JSON": (_text("tokenizer.json", "{"), "is not valid JSON"),
    "tokenizer without vocabulary": (_text("tokenizer.json", "{}"), "holds no vocabulary"),
    "no config": (_gone("config.json"), "config.json is missing"),
    "config is not JSON": (_text("config.json", "{'a': 1}"), "is not valid JSON"),
    "config is no object": (_text("config.json", "[]"), "does not hold a JSON object"),
    "config with NaN": (
        _text("config.json", '{"hidden_size": NaN}'),
        "NaN is no number that a program can hold",
    ),
    "unknown architecture": (
        _config(architectures=["Unheard2ForCausalLM"]),
        "no language model is called Unheard2ForCausalLM in a tool 1.0",
    ),
    "encoder and decoder": (_config(is_encoder_decoder=True), "reads with an encoder"),
    "no architecture": (_config(architectures=None), "names no single architecture"),
    "no context length": (
        _config(max_position_embeddings="long"),
        "max_position_embeddings is 'long', not a number",
    ),
    "quantized already": (
        _config(quantization_config={"quant_method": "hqq"}),
        "already quantized (hqq), in a way that no runtime here loads",
    ),
    "quantized in a kernel's own layout": (
        _config(quantization_config={"quant_method": "awq", "version": "gemv"}),
        "quantization_config.version is 'gemv', which is not known",
    ),
    "quantized to numerics it does not say": (
        _config(quantization_config={"quant_method": "compressed-tensors", "config_groups": {}}),
        "not to which numerics",
    ),
    "quantized without saying so": (
        _with("model.layers.0.mlp.up_proj.weight", np.zeros((256, 128), dtype=np.uint8)),
        "is already quantized and does not say how: model.layers.0.mlp.up_proj.weight is stored as F8_E4M3",
    ),
    "truncated by one byte": (_truncated, "is truncated"),
    "truncated in the header": (_truncated_in_header, "is truncated"),
    "empty file": (_empty, "does not begin with a safetensors header"),
    "trailing bytes": (_trailing_bytes, "1 bytes more than its header describes"),
    "git-lfs pointer": (_lfs_pointer, "is a git-lfs pointer"),
    "hole": (_hole, "a hole or an overlap before a"),
    "overlap": (_overlap, "a hole or an overlap before b"),
    "bytes of another shape": (_wrong_byte_count, "not those of its shape"),
    "unknown dtype": (_unknown_dtype, "which is unknown"),
    "missing shard": (_missing_shard, "shard model-00002-of-00002.safetensors is missing"),
    "tensor in another shard": (_tensor_in_another_shard, "says that model."),
    "shard outside the folder": (_shard_outside_the_folder, "shard ../../etc/passwd is missing"),
    "NaN in fp16": (_nonfinite(float("nan"), np.float16), NAN_TENSOR),
    "infinity in fp32": (_nonfinite(float("-inf"), np.float32), NAN_TENSOR),
    "NaN in bf16": (_nan_in_bfloat16, NAN_TENSOR),
    "hidden size": (_config(hidden_size=64), "config.json says 257 x 64"),
    "vocabulary": (_config(vocab_size=300), "config.json says 300 x 128"),
    "layers": (_config(num_hidden_layers=3), "weights of 2 layers are there"),
    "no embedding": (_with("model.embed_tokens.weight", None), "embed_tokens.weight is missing"),
    "tokenizer of another model": (_token_beyond, "the tokenizer gives ids up to 257"),
    "end of another model": (
        lambda folder: edit_json(folder / "generation_config.json", eos_token_id=[2, VOCABULARY]),
        "texts begin or end (generation_config.json, config.json) with id 257, the model has 257",
    ),
}


def _resolve(folder: Path, store: Store) -> object:
    tool = ToolArchitectures(
        tool="a tool", label="a tool 1.0", names=frozenset({"LlamaForCausalLM"})
    )
    return resolve_checkpoint(
        str(folder),
        name=None,
        store=store,
        hub=HubSettings(),
        tools=CheckpointTools(architectures=(tool,)),
    )


@pytest.mark.parametrize("quirk", REFUSALS)
def test_a_checkpoint_with_one_quirk_is_refused_in_one_sentence_with_a_next_step(
    quirk: str, tmp_path: Path, store: Store
) -> None:
    damage, sentence = REFUSALS[quirk]
    folder = write_checkpoint(tmp_path / "model")
    damage(folder)
    with pytest.raises(CheckpointError) as refusal:
        _resolve(folder, store)
    assert sentence in refusal.value.what
    assert "\n" not in refusal.value.what
    assert refusal.value.where is not None
    assert str(folder) in refusal.value.where
    assert (
        refusal.value.next_step
        or "JSON" in refusal.value.what
        or "vocabulary" in refusal.value.what
    )


def test_the_undamaged_checkpoint_is_accepted(tmp_path: Path, store: Store) -> None:
    """Without this, a resolver that refuses everything would pass the tests above."""
    assert _resolve(write_checkpoint(tmp_path / "model"), store)


def test_largest_finite_values_are_not_mistaken_for_infinity(tmp_path: Path, store: Store) -> None:
    folder = write_checkpoint(tmp_path / "model")
    tensors = weights()
    tensors["model.norm.weight"][:2] = [np.finfo(np.float16).max, np.finfo(np.float16).min]
    write_safetensors(folder / WEIGHTS, tensors)
    assert _resolve(folder, store)


def test_a_token_added_beyond_the_embedding_is_accepted(tmp_path: Path, store: Store) -> None:
    """Gemma 3's text-only checkpoints have one: no text produces it."""
    folder = write_checkpoint(tmp_path / "model")
    content = json.loads((folder / "tokenizer.json").read_text())
    content["added_tokens"].append(content["added_tokens"][0] | {"id": 257, "content": "<image>"})
    (folder / "tokenizer.json").write_text(json.dumps(content))
    assert _resolve(folder, store)


def test_a_misspelled_folder_gets_a_suggestion(tmp_path: Path, store: Store) -> None:
    write_checkpoint(tmp_path / "support-model")
    with pytest.raises(InputError) as refusal:
        _resolve(tmp_path / "suport-model", store)
    assert refusal.value.next_step == f"did you mean {tmp_path / 'support-model'}?"


def test_a_file_is_not_a_checkpoint_folder(tmp_path: Path, store: Store) -> None:
    folder = write_checkpoint(tmp_path / "model")
    with pytest.raises(InputError, match="is a file"):
        _resolve(folder / "config.json", store)


def test_a_folder_behind_one_without_rights_is_no_id_of_a_hub(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: bool) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(InputError, match=r"team/model: cannot be looked at \(Permission denied\)"):
        resolve_checkpoint("team/model", name=None, store=store, hub=HubSettings())
