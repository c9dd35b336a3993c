"""Child process: compresses one checkpoint folder with llm-compressor and reads back what it wrote."""

import json
from pathlib import Path

import torch
from llmcompressor import oneshot
from torch.utils.data import DataLoader, Dataset
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.engines.llmcompressor.facts import (
    stored_scheme,
    stored_tensors,
    unsound_tensors,
)
from quantgate.pipelines.engines.llmcompressor.messages import CompressCall, CompressFacts
from quantgate.pipelines.engines.llmcompressor.workers.recipe import (
    Consumption,
    Matched,
    count_consumption,
    matched_modules,
    modifiers,
    unpinned_caches,
)
from quantgate.pipelines.engines.llmcompressor.workers.smoothing import smoothing_notes, watch
from quantgate.pipelines.engines.llmcompressor.workers.warnings import collected_warnings
from quantgate.pipelines.formats.safetensors import read_tensors
from quantgate.pipelines.formats.tokenizer_folder import copy_tokenizer
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

_SEED = 0


def compress(call: CompressCall, on_progress: OnProgress) -> CompressFacts:
    """Compress, save, copy the tokenizer byte for byte, and report what the files hold."""
    if call.device != "cpu" and not torch.cuda.is_available():
        raise ToolchainError(f"torch cannot use {call.device}", next_step="check nvidia-smi")
    torch.manual_seed(_SEED)
    with collected_warnings() as warnings:
        on_progress(Progress(done=0, total=0, what="loading the base"))
        # bfloat16: FP4 and MX formats decompress to it, and their reload fails for other dtypes.
        model = AutoModelForCausalLM.from_pretrained(
            call.base, dtype=torch.bfloat16, local_files_only=True
        )
        matched = matched_modules(model, call.options)
        consumption, notes = _quantize(call, model, matched, on_progress)
        on_progress(Progress(done=0, total=0, what="saving"))
        model.save_pretrained(call.output, save_compressed=True)
    copy_tokenizer(call.base, call.output)
    on_progress(Progress(done=0, total=0, what="reading back"))
    written, scheme = read_tensors(call.output), stored_scheme(call.output)
    return CompressFacts(
        tensors=stored_tensors(read_tensors(call.base), written, scheme),
        promised=matched.promised,
        calibration_sequences=consumption.sequences,
        calibration_tokens=consumption.tokens,
        nonfinite_tensors=unsound_tensors(written, scheme),
        warnings=(*notes, *warnings),
    )


def _quantize(
    call: CompressCall,
    model: PreTrainedModel,
    matched: Matched,
    on_progress: OnProgress,
) -> tuple[Consumption, tuple[str, ...]]:
    """Run llm-compressor over the calibration rows, one a batch, in the file's order.

    Returns what was consumed, and notes on what was smoothed.
    """
    rows = _calibration_rows(call.calibration) if call.calibration else []
    recipe = modifiers(call.options)
    consumption = count_consumption(
        model=model, matched=matched, recipe=recipe, sequences=len(rows), on_progress=on_progress
    )
    if rows:
        watch(recipe, rows[0]["input_ids"])
    with unpinned_caches():
        oneshot(
            model=model,
            # Own rows, in order and unpadded: llm-compressor's own loader sorts and may drop or cut them.
            dataset=DataLoader(_Rows(rows), batch_size=None, shuffle=False) if rows else None,
            recipe=recipe,
            processor=PreTrainedTokenizerFast(tokenizer_file=str(call.base / "tokenizer.json")),
            shuffle_calibration_samples=False,
        )
    return consumption, smoothing_notes(recipe, matched.layers, where=str(call.base))


class _Rows(Dataset[dict[str, torch.Tensor]]):
    """Calibration rows in the order they are given."""

    def __init__(self, rows: list[dict[str, torch.Tensor]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self._rows[index]


def _calibration_rows(file: Path) -> list[dict[str, torch.Tensor]]:
    """Return each sequence as 1 x tokens ids and mask."""
    rows = []
    for line in file.read_bytes().splitlines():
        ids = torch.tensor([json.loads(line)["token_ids"]], dtype=torch.long)
        if ids.numel():
            rows.append({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    return rows


if __name__ == "__main__":
    serve(compress, CompressCall)
