"""Loading a checkpoint folder with transformers, strictly: no random weights, no remote code."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from weakref import finalize

import torch
from compressed_tensors.offload import dispatch_model, from_accelerate
from tokenizers import Tokenizer
from transformers import AutoConfig, PreTrainedModel

from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.engines.residence import Residence
from quantgate.pipelines.engines.transformers.workers.expansion import expanded_state
from quantgate.pipelines.engines.transformers.workers.packed_checkpoint import dense_state
from quantgate.pipelines.engines.workers.bfloat16 import multiply_bfloat16_in_float32
from quantgate.pipelines.engines.workers.classes import auto_model, model_class
from quantgate.pipelines.engines.workers.gpus import gpus_for_torch
from quantgate.pipelines.engines.workers.packed_layers import initialized_packed
from quantgate.pipelines.engines.workers.strict_loading import REFUSED, require_clean
from quantgate.pipelines.files.json_files import read_json_object
from quantgate.pipelines.files.temporary import PREFIX
from quantgate.pipelines.formats.configuration.language_config import context_length
from quantgate.pipelines.formats.experts import APART
from quantgate.pipelines.formats.packed.block_fp8 import stored_square
from quantgate.pipelines.formats.packed.config import stored_layout
from quantgate.pipelines.formats.packed.mxfp4_layout import is_mxfp4
from quantgate.pipelines.formats.safetensors import read_tensors
from quantgate.pipelines.formats.tokenizers.checkpoint import read_tokenizer
from quantgate.pipelines.process.allocation import give_back_large_blocks

COMPUTE_DTYPE = torch.bfloat16


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model ready to answer, the tokenizer of the same folder, and the longest sequence it was made for."""

    model: PreTrainedModel
    tokenizer: Tokenizer
    context_length_tokens: int
    device: torch.device
    on_disk: bool = False
    """Whether some of its weights lie on the disk, until it is gone."""

    def text_of(self, token_ids: Sequence[int]) -> str:
        """Return the text of generated tokens, special ones left out."""
        return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=True))


def load(folder: Path, residence: Residence | None = None) -> LoadedModel:
    """Load a full-precision, compressed-tensors, AWQ (gemm), GPTQ, FP8 or MXFP4 folder in bfloat16.

    What may not stay in memory of the first two is read from the disk, layer by layer, each time.

    It goes to the GPUs that this process was placed on, layer after layer where they are several.

    transformers fills tensors that a checkpoint lacks with random numbers; here that is an error.

    Raises:
        CheckpointError: where tensors are missing or of another shape than the configuration says, or
            packed weights are not what their layout says.
        ToolchainError: where those GPUs cannot be used.
    """
    multiply_bfloat16_in_float32()
    if residence is not None:
        with initialized_packed():
            return _read_by_layers(folder, residence)
    gpus = gpus_for_torch()
    expanded = _expanded(folder)
    with initialized_packed():
        model = _read(folder) if expanded is None else _read_expanded(folder, expanded)
    device = _placed(model.eval(), gpus)
    return LoadedModel(
        model=model,
        tokenizer=read_tokenizer(folder).tokenizer,
        context_length_tokens=context_length(folder),
        device=device,
    )


def _expanded(folder: Path) -> dict[str, torch.Tensor] | None:
    """Return the weights of layouts that transformers has kernels for on some devices alone, else None.

    Its own expansion of FP8 refuses sides that squares do not divide (DeepSeek-V3's `kv_a_proj_with_mqa`).
    """
    if layout := stored_layout(folder):
        return dense_state(folder, layout, COMPUTE_DTYPE)
    if is_mxfp4(folder):
        return expanded_state(folder, Format.MXFP4)
    return expanded_state(folder, Format.FP8) if stored_square(folder) is not None else None


def _read_by_layers(folder: Path, residence: Residence) -> LoadedModel:
    """Leave on the disk what may not stay in memory; packed weights are expanded there, too.

    transformers finds places for layers, and compressed-tensors reads and writes them: unlike accelerate's,
    its layers may be changed.
    """
    give_back_large_blocks()
    residence.folder.mkdir(parents=True, exist_ok=True)
    on_disk = mkdtemp(dir=residence.folder, prefix=PREFIX)
    model, loading = auto_model(folder).from_pretrained(
        folder,
        dtype=COMPUTE_DTYPE,
        device_map="auto",
        max_memory={"cpu": residence.resident_bytes},
        offload_folder=on_disk,
        offload_buffers=True,
        output_loading_info=True,
        local_files_only=True,
        ignore_mismatched_sizes=True,  # they are refused below, by name
    )
    finalize(model, rmtree, on_disk, ignore_errors=True)
    require_clean(folder, loading)
    from_accelerate(model)
    return LoadedModel(
        model=model.eval(),
        tokenizer=read_tokenizer(folder).tokenizer,
        context_length_tokens=context_length(folder),
        device=torch.device("cpu"),
        on_disk=True,
    )


def _read(folder: Path) -> PreTrainedModel:
    """Load as transformers does."""
    if _has_quantized_experts(folder):
        from quantgate.pipelines.engines.workers.linear_experts import load_apart

        return load_apart(folder, COMPUTE_DTYPE)
    model, loading = auto_model(folder).from_pretrained(
        folder,
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


def _read_expanded(folder: Path, state: dict[str, torch.Tensor]) -> PreTrainedModel:
    """Load expanded weights as an unquantized model's; a tensor left over is an error too."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    del config.quantization_config
    model, loading = model_class(config, folder).from_pretrained(
        None,
        config=config,
        state_dict=state,
        dtype=COMPUTE_DTYPE,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are refused below, by name
    )
    require_clean(folder, loading, (*REFUSED, "unexpected_keys"))
    return model


def _placed(model: PreTrainedModel, gpus: int) -> torch.device:
    """Move a model to where it is computed; return where its inputs go, and its logits come to."""
    if gpus > 1:
        dispatch_model(model)
    elif gpus:
        model.to("cuda")
    return torch.device("cuda" if gpus else "cpu")
