"""Random checkpoints in the low-bit layouts that some models are released in."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from quantgate.pipelines.formats.tokenizers.folder import copy_tokenizer, read_json_object

SQUARE, BLOCK = 128, 32
_KEPT_WHOLE = ("embed_tokens", "lm_head", ".gate.weight", "norm", "eh_proj")


def as_mxfp4_release(base: Path, folder: Path, whole: tuple[str, ...]) -> Path:
    """Write a gpt-oss checkpoint with experts of random 4-bit floats, laid out as it is released.

    Those whose names have a part of `whole` stay as they are.
    """
    random = torch.Generator().manual_seed(0)
    stored: dict[str, torch.Tensor] = {}
    for name, weight in load_file(base / "model.safetensors").items():
        if not name.endswith(("gate_up_proj", "down_proj")) or any(part in name for part in whole):
            stored[name] = weight
            continue
        experts, inputs, outputs = weight.shape
        rows = (experts, outputs, inputs // BLOCK)
        blocks = torch.randint(0, 256, (*rows, BLOCK // 2), generator=random, dtype=torch.uint8)
        stored[f"{name}_blocks"] = blocks
        stored[f"{name}_scales"] = torch.randint(
            117, 121, rows, generator=random, dtype=torch.uint8
        )
    said = {
        "quant_method": "mxfp4",
        "modules_to_not_convert": [
            "model.layers.*.self_attn",
            "model.layers.*.mlp.router",
            "lm_head",
        ],
    }
    return _written(base, folder, stored, said)


def as_fp8_release(base: Path, folder: Path, whole: tuple[str, ...]) -> Path:
    """Write a checkpoint with linear layers in squares of FP8, as DeepSeek-V3 is released.

    Those whose names have a part of `whole` stay as they are.
    """
    stored: dict[str, torch.Tensor] = {}
    for name, weight in load_file(base / "model.safetensors").items():
        if weight.dim() != 2 or any(part in name for part in (*_KEPT_WHOLE, *whole)):
            stored[name] = weight
        else:
            stored[name], stored[f"{name}_scale_inv"] = _in_squares(weight.float())
    said = {
        "quant_method": "fp8",
        "activation_scheme": "dynamic",
        "fmt": "e4m3",
        "weight_block_size": [SQUARE, SQUARE],
    }
    return _written(base, folder, stored, said)


def _in_squares(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    largest = torch.finfo(torch.float8_e4m3fn).max
    scales = torch.stack(
        [
            torch.stack([square.abs().max() for square in torch.split(rows, SQUARE, dim=1)])
            for rows in torch.split(weight, SQUARE, dim=0)
        ]
    )
    scales /= largest
    factors = scales.repeat_interleave(SQUARE, 0).repeat_interleave(SQUARE, 1)
    divided = weight / factors[: weight.shape[0], : weight.shape[1]]
    return divided.to(torch.float8_e4m3fn), scales


def _written(
    base: Path, folder: Path, stored: dict[str, torch.Tensor], said: Mapping[str, object]
) -> Path:
    folder.mkdir(parents=True)
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    config = read_json_object(base / "config.json")
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": dict(said)}))
    copy_tokenizer(base, folder)
    return folder
