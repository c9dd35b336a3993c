"""Saving the trained model so that fp16 and bf16 readers see the very same weights."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import GenerationConfig, LlamaForCausalLM


def save_weights(model: LlamaForCausalLM, folder: Path) -> None:
    """Write config, generation config and rounded fp16 weights; the model itself is converted."""
    _round_to_shared_grid(model)
    model.to(torch.float16)
    model.generation_config = GenerationConfig(
        bos_token_id=model.config.bos_token_id,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id,
        do_sample=False,
    )
    model.save_pretrained(folder)


def _round_to_shared_grid(model: LlamaForCausalLM) -> None:
    """Round every weight to a value that bf16 and fp16 both represent exactly.

    bf16 has the fewer digits and fp16 the smaller range: what fp16 cannot keep (magnitudes
    near its subnormals) becomes zero.
    """
    with torch.no_grad():
        for weight in model.parameters():
            rounded = weight.to(torch.bfloat16).float()
            weight.copy_(torch.where(rounded.half().float() == rounded, rounded, 0.0))
