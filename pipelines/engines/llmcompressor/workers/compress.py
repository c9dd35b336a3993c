"""Child process: compresses one checkpoint folder with llm-compressor and reads back what it wrote."""

import json
from pathlib import Path

import torch
from compressed_tensors.offload import load_offloaded_model
from llmcompressor import oneshot
from llmcompressor.modifiers import Modifier
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from quantgate.pipelines.domain.recipe import CompressedTensorsOptions
from quantgate.pipelines.engines.backend import (
    BuildRequest,
    CalibrationTokens,
    Consumption,
    WrittenFolder,
    options_of,
)
from quantgate.pipelines.engines.llmcompressor.workers.experts import count_experts, expert_notes
from quantgate.pipelines.engines.llmcompressor.workers.matching import Matched, matched_modules
from quantgate.pipelines.engines.llmcompressor.workers.reached import Reached
from quantgate.pipelines.engines.llmcompressor.workers.recipe import (
    count_consumption,
    modifiers,
    unpinned_caches,
)
from quantgate.pipelines.engines.llmcompressor.workers.smoothing import smoothing_notes, watch
from quantgate.pipelines.engines.llmcompressor.workers.warnings import collected_warnings
from quantgate.pipelines.engines.workers.bfloat16 import multiply_bfloat16_in_float32
from quantgate.pipelines.engines.workers.classes import auto_model
from quantgate.pipelines.engines.workers.gpus import gpus_for_torch
from quantgate.pipelines.engines.workers.linear_experts import load_apart
from quantgate.pipelines.formats.packed.compressed import (
    stored_scheme,
    stored_tensors,
    unsound_tensors,
)
from quantgate.pipelines.formats.safetensors import read_tensors
from quantgate.pipelines.formats.tokenizers.folder import copy_tokenizer
from quantgate.pipelines.process.allocation import give_back_large_blocks
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

_SEED = 0
_LARGEST_FILE_BYTES = 4_000_000_000
"""A file is put together in memory before it is written."""


def compress(request: BuildRequest, on_progress: OnProgress) -> WrittenFolder:
    """Compress, save, copy the tokenizer byte for byte, and report what the files hold."""
    base = request.checkpoint.folder
    gpus_for_torch()
    torch.manual_seed(_SEED)
    if request.calibration is None or request.resident_bytes is not None:
        give_back_large_blocks()  # not while calibrating: fresh pages for each activation take time
    multiply_bfloat16_in_float32()
    with collected_warnings() as warnings:
        on_progress(Progress(done=0, total=0, what="loading the base"))
        model = _loaded(request)
        options = options_of(request.recipe, CompressedTensorsOptions, "llm-compressor")
        matched = matched_modules(model, options)
        recipe = modifiers(options, matched.targets, matched.ignore)
        experts = count_experts(model, matched, recipe)
        consumption, notes = _quantize(request, model, matched, recipe, on_progress)
        give_back_large_blocks()  # weights are compressed one after the other
        on_progress(Progress(done=0, total=0, what="saving"))
        model.save_pretrained(
            request.output, save_compressed=True, max_shard_size=_LARGEST_FILE_BYTES
        )
        _say_what_stays_whole(request.output, matched)
    copy_tokenizer(base, request.output)
    on_progress(Progress(done=0, total=0, what="reading back"))
    written, scheme = read_tensors(request.output), stored_scheme(request.output)
    return WrittenFolder(
        tensors=stored_tensors(read_tensors(base), written, scheme),
        promised=matched.promised,
        calibration_sequences=consumption.sequences,
        calibration_tokens=consumption.tokens,
        nonfinite_tensors=unsound_tensors(written, scheme),
        warnings=(*notes, *expert_notes(experts.result()), *warnings),
        experts=experts.result(),
    )


def _say_what_stays_whole(folder: Path, matched: Matched) -> None:
    """Name what stays whole in config.json as readers do, by the checkpoint's names and by transformers'.

    transformers 5.17 takes back half of a renamed layer's name as it saves (routers of Phi-3.5-MoE, what
    sees in Gemma 3, Mistral 3 and Qwen2.5-VL), and then would look for that layer's scales itself.
    """
    file = folder / "config.json"
    config = json.loads(file.read_text())
    ignored = config["quantization_config"]["ignore"]
    ignored += [name for name in matched.left if name not in ignored]
    file.write_text(json.dumps(config, indent=2) + "\n")


def _loaded(request: BuildRequest) -> PreTrainedModel:
    """Load the base; what exceeds the resident bytes lies in `scratch` and is read as layers are computed.

    In bfloat16: FP4 and MX formats decompress to it, and their reload fails for other dtypes.
    """
    base = request.checkpoint.folder
    if request.resident_bytes is None:
        return load_apart(base, torch.bfloat16)
    kind = auto_model(base)
    with load_offloaded_model(kind):
        return kind.from_pretrained(
            base,
            dtype=torch.bfloat16,
            local_files_only=True,
            device_map="auto_offload",
            max_memory={"cpu": request.resident_bytes},
            offload_folder=str(request.scratch),
        )


def _quantize(
    request: BuildRequest,
    model: PreTrainedModel,
    matched: Matched,
    recipe: list[Modifier],
    on_progress: OnProgress,
) -> tuple[Consumption, tuple[str, ...]]:
    """Run llm-compressor over the calibration rows, one a batch, in the file's order.

    Returns what was consumed, and notes on what was smoothed.
    """
    rows = _calibration_rows(request.calibration)
    consumption = count_consumption(
        model=model, matched=matched, recipe=recipe, sequences=len(rows), on_progress=on_progress
    )
    reached = Reached(matched, recipe)
    if rows:
        watch(recipe, rows[0]["input_ids"])
    base = request.checkpoint.folder
    with unpinned_caches():
        oneshot(
            model=model,
            # Own rows, in order and unpadded: llm-compressor's own loader sorts and may drop or cut them.
            dataset=DataLoader(_Rows(rows), batch_size=None, shuffle=False) if rows else None,
            recipe=recipe,
            processor=PreTrainedTokenizerFast(tokenizer_file=str(base / "tokenizer.json")),
            shuffle_calibration_samples=False,
        )
    reached.require_all(base)
    return consumption, smoothing_notes(recipe, matched.layers, where=str(base))


class _Rows(Dataset[dict[str, torch.Tensor]]):
    """Calibration rows in the order they are given."""

    def __init__(self, rows: list[dict[str, torch.Tensor]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self._rows[index]


def _calibration_rows(calibration: CalibrationTokens | None) -> list[dict[str, torch.Tensor]]:
    """Return each sequence as 1 x tokens ids and mask; none for data-free recipes."""
    rows: list[dict[str, torch.Tensor]] = []
    if calibration is None:
        return rows
    for line in calibration.file.read_bytes().splitlines():
        ids = torch.tensor([json.loads(line)["token_ids"]], dtype=torch.long)
        if ids.numel():
            rows.append({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    return rows


if __name__ == "__main__":
    serve(compress, BuildRequest)
