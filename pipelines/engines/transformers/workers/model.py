"""Loading a checkpoint folder with transformers, strictly: no random weights, no remote code."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, PreTrainedModel

from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.engines.transformers.workers.packed_checkpoint import dense_state
from quantgate.pipelines.engines.workers.bfloat16 import multiply_bfloat16_in_float32
from quantgate.pipelines.engines.workers.classes import auto_model, model_class
from quantgate.pipelines.engines.workers.strict_loading import REFUSED, require_clean
from quantgate.pipelines.files.json_files import read_json_object
from quantgate.pipelines.formats.block_fp8 import stored_square
from quantgate.pipelines.formats.checkpoint_tokenizer import read_tokenizer
from quantgate.pipelines.formats.configuration.language_config import context_length
from quantgate.pipelines.formats.experts import APART
from quantgate.pipelines.formats.packed_config import PackedLayout, stored_layout
from quantgate.pipelines.formats.safetensors import read_tensors
from quantgate.pipelines.process.accelerator import accelerator_name

COMPUTE_DTYPE = torch.bfloat16


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
    if _has_quantized_experts(folder):
        from quantgate.pipelines.engines.workers.linear_experts import load_apart

        return load_apart(folder, COMPUTE_DTYPE)
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


def _has_quantized_experts(folder: Path) -> bool:
    """Whether experts stand apart in a compressed-tensors folder.

    transformers 5.17 would fuse them, which no scheme but two survives, and no activations' scales at all.
    """
    match read_json_object(folder / "config.json"):
        case {"quantization_config": {"quant_method": "compressed-tensors"}}:
            return any(APART.search(tensor.name) for tensor in read_tensors(folder))
    return False


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
    require_clean(folder, loading, (*REFUSED, "unexpected_keys"))
    return model


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ToolchainError(
            f"torch cannot use {name}",
            next_step="check the driver with nvidia-smi, or hide it with CUDA_VISIBLE_DEVICES=''",
        )
    return torch.device("cuda")
