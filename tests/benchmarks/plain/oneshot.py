"""What somebody writes who uses llm-compressor without us.

Arguments: a recipe's options as JSON, checkpoint folder, JSONL of token ids (none: ""), output folder. Below
torchrun each process calibrates with its share of the rows, on CPUs too (docs/gpus.md).
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from compressed_tensors.offload import load_offloaded_model
from compressed_tensors.quantization import preset_name_to_scheme
from llmcompressor import oneshot
from llmcompressor.modifiers import Modifier
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.quantization import QuantizationModifier
from llmcompressor.modifiers.transform.awq import AWQModifier
from llmcompressor.modifiers.transform.smoothquant import SmoothQuantModifier
from llmcompressor.pipelines.cache import IntermediatesCache
from torch import distributed as dist
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

_FP8_CACHE = {
    "num_bits": 8, "type": "float", "strategy": "tensor", "dynamic": False, "symmetric": True
}  # fmt: skip


def main() -> None:
    """Load, compress, save."""
    options, checkpoint, tokens, output = sys.argv[1:]
    if (
        not torch.accelerator.is_available()
    ):  # llm-compressor 0.14 pins memory also where that fails
        IntermediatesCache.pin_memory = lambda *_: None
    side_by_side = "TORCHELASTIC_RUN_ID" in os.environ
    if side_by_side:
        dist.init_process_group("gloo")
    model = _shared(checkpoint) if side_by_side else _at_once(checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    oneshot(
        model=model,
        dataset=_rows(Path(tokens)) if tokens else None,
        recipe=_modifiers(json.loads(options)),
        processor=tokenizer,
        shuffle_calibration_samples=False,
    )
    model.save_pretrained(output, save_compressed=True)
    tokenizer.save_pretrained(output)
    if side_by_side:
        dist.barrier()
        dist.destroy_process_group()


def _at_once(checkpoint: str) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.bfloat16)


def _shared(checkpoint: str) -> PreTrainedModel:
    """Load weights once for all processes."""
    with load_offloaded_model(AutoModelForCausalLM):
        return AutoModelForCausalLM.from_pretrained(
            checkpoint, dtype=torch.bfloat16, device_map="auto_offload"
        )


def _modifiers(options: dict[str, Any]) -> list[Modifier]:
    named: dict[str, Any] = {"ignore": ["lm_head"]}
    if options["scheme"]:
        scheme = preset_name_to_scheme(options["scheme"], ["Linear"])
        if options["group_size"]:
            scheme.weights.group_size = options["group_size"]
        named["config_groups"] = {"group_0": scheme}
    if options["kv_cache"]:
        named["kv_cache_scheme"] = _FP8_CACHE
    if options["modifier"] == "AWQModifier":
        return [AWQModifier(), QuantizationModifier(**named)]
    kind = QuantizationModifier
    if options["modifier"] == "GPTQModifier":
        kind = GPTQModifier
        given = {"dampening_frac": options["dampening_fraction"], "actorder": options["actorder"]}
        named |= {name: value for name, value in given.items() if value is not None}
    strength = options["smoothing_strength"]
    smoothing = [] if strength is None else [SmoothQuantModifier(smoothing_strength=strength)]
    return [*smoothing, kind(**named)]


def _rows(file: Path) -> "DataLoader[dict[str, torch.Tensor]]":
    rows = []
    for line in file.read_text().splitlines():
        ids = torch.tensor([json.loads(line)["token_ids"]])
        rows.append({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    if dist.is_initialized():
        rows = rows[dist.get_rank() :: dist.get_world_size()]
    return DataLoader(rows, batch_size=None, shuffle=False)  # type: ignore[arg-type]  # a list is a data set


if __name__ == "__main__":
    main()
