"""Loading a checkpoint folder with transformers, strictly: no random weights, no remote code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, PreTrainedModel

from quantgate.pipelines.domain.errors import CheckpointError, ToolchainError
from quantgate.pipelines.engines.transformers.workers.packed_checkpoint import dense_state
from quantgate.pipelines.engines.workers.bfloat16 import multiply_bfloat16_in_float32
from quantgate.pipelines.engines.workers.classes import auto_model, model_class
from quantgate.pipelines.formats.block_fp8 import stored_square
from quantgate.pipelines.formats.checkpoint_tokenizer import read_tokenizer
from quantgate.pipelines.formats.configuration.language_config import context_length
from quantgate.pipelines.formats.packed_config import PackedLayout, stored_layout
from quantgate.pipelines.process.accelerator import accelerator_name

COMPUTE_DTYPE = torch.bfloat16

_REFUSED = ("missing_keys", "mismatched_keys", "error_msgs")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model ready to answer, the tokenizer of the same folder, and the longest sequence it was made for."""

    model: PreTrainedModel
    tokenizer: Tokenizer
    context_length_tokens: int
    device: torch.device

    def text_of(self, token_ids: Sequence[int]) -> str:
        """Return the text of generated tokens, special ones left out."""
        return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=True))


def load(folder: Path) -> LoadedModel:
    """Load a full-precision, compressed-tensors, AWQ (gemm), GPTQ or FP8 folder in bfloat16.

    It goes to the device that the runtime's identity names: both ask the same function.

    transformers fills tensors that a checkpoint lacks with random numbers; here that is an error.

    Raises:
        CheckpointError: where tensors are missing or of another shape than the configuration says, or
            packed weights are not what their layout says.
        ToolchainError: where the machine's accelerator cannot be used.
    """
    multiply_bfloat16_in_float32()
    device = _device(accelerator_name())
    layout = stored_layout(folder)
    model = _read(folder) if layout is None else _read_packed(folder, layout)
    model.eval().to(device)
    return LoadedModel(
        model=model,
        tokenizer=read_tokenizer(folder).tokenizer,
        context_length_tokens=context_length(folder),
        device=device,
    )


def _read(folder: Path) -> PreTrainedModel:
    """Load as transformers does; squares of FP8 are expanded on every device, and not where kernels lack."""
    config = None
    if stored_square(folder) is not None:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        config.quantization_config["dequantize"] = True
    model, loading = auto_model(folder).from_pretrained(
        folder,
        config=config,
        dtype=COMPUTE_DTYPE,
        output_loading_info=True,
        local_files_only=True,
        ignore_mismatched_sizes=True,  # they are refused below, by name
    )
    require_clean(folder, loading)
    return model


def _read_packed(folder: Path, layout: PackedLayout) -> PreTrainedModel:
    """Expand packed weights and load them as an unquantized model's; a tensor left over is an error too."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    del config.quantization_config
    model, loading = model_class(config, folder).from_pretrained(
        None,
        config=config,
        state_dict=dense_state(folder, layout, COMPUTE_DTYPE),
        dtype=COMPUTE_DTYPE,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are refused below, by name
    )
    require_clean(folder, loading, (*_REFUSED, "unexpected_keys"))
    return model


def require_clean(
    folder: Path, loading: Mapping[str, Any], refused: tuple[str, ...] = _REFUSED
) -> None:
    """Refuse what transformers would have filled with random numbers, or could not read.

    Raises:
        CheckpointError: naming the first three tensors of the first kind that is refused.
    """
    for kind in refused:
        if loading.get(kind):
            named = ", ".join(str(key) for key in sorted(loading[kind], key=str)[:3])
            raise CheckpointError(
                f"does not load cleanly: {len(loading[kind])} {kind.replace('_', ' ')} ({named})",
                where=str(folder),
            )


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ToolchainError(
            f"torch cannot use {name}",
            next_step="check the driver with nvidia-smi, or hide it with CUDA_VISIBLE_DEVICES=''",
        )
    return torch.device("cuda")
