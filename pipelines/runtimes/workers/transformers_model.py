"""Loading a checkpoint folder with transformers, strictly: no random weights, no remote code."""

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, PreTrainedModel

from pipelines.domain.errors import CheckpointError, ToolchainError

COMPUTE_DTYPE = torch.bfloat16


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model ready to answer, the tokenizer of the same folder, and the longest sequence it was made for."""

    model: PreTrainedModel
    tokenizer: Tokenizer
    context_length_tokens: int
    device: torch.device


def load(folder: Path, device_name: str) -> LoadedModel:
    """Load a full-precision or compressed-tensors folder in bfloat16.

    transformers fills tensors that a checkpoint lacks with random numbers; here that is an error.

    Raises:
        CheckpointError: where tensors are missing or of another shape than the configuration says.
        ToolchainError: where the named accelerator cannot be used.
    """
    device = _device(device_name)
    model, loading = AutoModelForCausalLM.from_pretrained(
        folder, dtype=COMPUTE_DTYPE, output_loading_info=True, local_files_only=True
    )
    for kind in ("missing_keys", "mismatched_keys", "error_msgs"):
        if loading.get(kind):
            named = ", ".join(str(key) for key in sorted(loading[kind], key=str)[:3])
            raise CheckpointError(
                f"does not load cleanly: {len(loading[kind])} {kind.replace('_', ' ')} ({named})",
                where=str(folder),
            )
    model.eval().to(device)
    return LoadedModel(
        model=model,
        tokenizer=Tokenizer.from_file(str(folder / "tokenizer.json")),
        context_length_tokens=int(model.config.get_text_config().max_position_embeddings),
        device=device,
    )


def _device(name: str) -> torch.device:
    if name == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ToolchainError(
            f"torch cannot use {name}",
            next_step="check the driver with nvidia-smi, or hide it with CUDA_VISIBLE_DEVICES=''",
        )
    return torch.device("cuda")
