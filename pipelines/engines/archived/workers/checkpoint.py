"""What the workers of both archived packages do alike: read the base, watch the model, save, read back.

Runs under the archived interpreter: transformers 4.51, no loguru, no compressed-tensors.
"""

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict
from transformers import PreTrainedModel

from quantgate.pipelines.domain.errors import CheckpointError, WorkerError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.archived.config import older_config
from quantgate.pipelines.engines.backend import (
    BuildRequest,
    CalibrationTokens,
    Consumption,
    WrittenFolder,
)
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.pipelines.formats.nonfinite import nonfinite_tensors
from quantgate.pipelines.formats.packed.config import PARTS
from quantgate.pipelines.formats.packed.facts import stored_tensors
from quantgate.pipelines.formats.safetensors import INDEX_FILE, read_tensors, weight_files
from quantgate.pipelines.formats.tokenizers.folder import copy_tokenizer
from quantgate.pipelines.process.calls import OnProgress, Progress

COMPUTE_DTYPE = torch.float32
"""Halves are slow on a CPU, and bfloat16 would cost auto-gptq's scales three of their eleven bits."""

_STORED_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
_SEED = 0
_SHARED_MODE = 0o644
"""The library writes weights for their owner alone."""


def begin() -> None:
    """Fix the seed, and hide accelerators: the packages' GPU kernels are older than this torch."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    # autoawq's search allocates hundreds of megabytes at a time: with large pages it takes half as long.
    os.environ["THP_MEM_ALLOC_ENABLE"] = "1"
    torch.manual_seed(_SEED)


@contextmanager
def older_checkpoint(base: Path) -> Iterator[Path]:
    """Yield a folder with the base's weights (by link) and the translated config.json.

    Raises:
        CheckpointError: where config.json has no equal in transformers 4.51.
    """
    with temporary_folder() as folder:
        (folder / "config.json").write_text(json.dumps(older_config(base)))
        index = base / INDEX_FILE
        for file in (*weight_files(base), *([index] if index.is_file() else [])):
            (folder / file.name).symlink_to(file.resolve())
        yield folder


def calibration_rows(calibration: CalibrationTokens) -> list[list[int]]:
    """Return the sequences' token ids, longer ones cut: a package may drop what is too long."""
    rows = [json.loads(line)["token_ids"] for line in calibration.file.read_bytes().splitlines()]
    return [row[: calibration.max_length_tokens] for row in rows if row]


def require_loaded(model: PreTrainedModel, base: Path) -> None:
    """Refuse a model with tensors that the base does not hold: transformers fills those with random numbers.

    Raises:
        CheckpointError: naming the first.
    """
    stored = {tensor.name for tensor in read_tensors(base)}
    for name in model.state_dict():
        if name not in stored and name not in _tied(model):
            raise CheckpointError(
                f"transformers 4.51 wants a tensor {name} that the checkpoint does not hold",
                where=str(base),
                next_step="use an llm-compressor recipe, which runs on the transformers of today",
            )


def watch(model: PreTrainedModel, on_progress: OnProgress) -> Consumption:
    """Count the token ids that reach the model, and report layers as the package comes to them."""
    consumption = Consumption()

    def count(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        consumption.sequences += inputs[0].shape[0]
        consumption.tokens += inputs[0].numel()

    model.get_input_embeddings().register_forward_pre_hook(count)
    layers = model.get_decoder().layers
    for at, layer in enumerate(layers):
        _report_once(layer, Progress(done=at, total=len(layers), what="layers"), on_progress)
    return consumption


def save(model: PreTrainedModel, base: Path, output: Path, quantization: JsonObject) -> None:
    """Write weights, the base's own config.json with `quantization_config`, and the base's tokenizer files.

    What is not quantized keeps the base's type; scales are halves, as readers of both layouts expect.
    """
    types = {tensor.name: _STORED_DTYPES[tensor.dtype] for tensor in read_tensors(base)}
    state = {}
    for name, tensor in model.state_dict().items():
        module, _, part = name.rpartition(".")
        if name in types:
            state[name] = tensor.to(types[name])
        elif part in PARTS[Format.GPTQ] and f"{module}.weight" in types:
            state[name] = tensor.to(torch.float16) if part == "scales" else tensor
        elif part == "bias" and not tensor.any():
            continue  # auto-gptq gives every layer a bias; the base has none and readers expect none
        elif name not in _tied(model):
            raise WorkerError(f"the package made a tensor {name} that the base does not have")
    # The base's tied head is left out above: the library would note it in the header, in no fixed order.
    save_torch_state_dict(state, output)
    for file in weight_files(output):
        file.chmod(_SHARED_MODE)
    config = json.loads((base / "config.json").read_bytes())
    text = json.dumps(config | {"quantization_config": quantization}, indent=2)
    (output / "config.json").write_text(text + "\n")
    copy_tokenizer(base, output)


def read_back(
    request: BuildRequest, consumption: Consumption, collected: list[str]
) -> WrittenFolder:
    """Return what the written files hold."""
    written = read_tensors(request.output)
    return WrittenFolder(
        tensors=stored_tensors(read_tensors(request.checkpoint.folder), written),
        calibration_sequences=consumption.sequences,
        calibration_tokens=consumption.tokens,
        nonfinite_tensors=nonfinite_tensors(written),
        warnings=tuple(dict.fromkeys(collected)),
    )


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Yield a list that fills with what `logging` and `warnings` are told, from WARNING up."""
    texts: list[str] = []
    handler = logging.Handler(level=logging.WARNING)
    handler.emit = lambda record: texts.append(record.getMessage())  # type: ignore[method-assign]
    loggers = [logging.getLogger(), logging.getLogger("transformers")]
    for logger in loggers:
        logger.addHandler(handler)
    show = warnings.showwarning
    warnings.showwarning = lambda message, *_: texts.append(str(message))
    try:
        yield texts
    finally:
        warnings.showwarning = show
        for logger in loggers:
            logger.removeHandler(handler)


def _report_once(layer: torch.nn.Module, step: Progress, on_progress: OnProgress) -> None:
    """Report when the layer is first run; auto-gptq runs each of them several times a sequence."""

    def report(*_: object) -> None:
        hook.remove()
        on_progress(step)

    hook = layer.register_forward_pre_hook(report)


def _tied(model: PreTrainedModel) -> tuple[str, ...]:
    return tuple(model._tied_weights_keys or ()) if model.config.tie_word_embeddings else ()
