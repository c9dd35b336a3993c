"""Child process of the archived environment: quantizes one checkpoint folder with autoawq 0.2.9."""

from typing import Any

import torch
from awq import AutoAWQForCausalLM
from awq.quantize.quantizer import AwqQuantizer

from quantgate.pipelines.domain.recipe import AutoAwqOptions
from quantgate.pipelines.engines.archived.workers.checkpoint import (
    COMPUTE_DTYPE,
    begin,
    calibration_rows,
    collected_warnings,
    older_checkpoint,
    read_back,
    require_loaded,
    save,
    watch,
)
from quantgate.pipelines.engines.backend import BuildRequest, WrittenFolder, options_of
from quantgate.pipelines.formats.packed.config import awq_config
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve


class SafeQuantizer(AwqQuantizer):  # type: ignore[misc]  # its package is not installed where types are checked
    """autoawq's quantizer with a backup of its own.

    While it searches scales, autoawq backs weights up with `.cpu()`. On the CPU that copies nothing:
    the first trial overwrites the backup, and what is quantized in the end is not the base.
    """

    def _compute_best_scale(self, *inputs: Any, **named: Any) -> Any:
        module = named["module2inspect"] if "module2inspect" in named else inputs[3]
        hook = module.register_state_dict_post_hook(_clone_entries)
        try:
            return super()._compute_best_scale(*inputs, **named)
        finally:
            hook.remove()


def quantize(request: BuildRequest, on_progress: OnProgress) -> WrittenFolder:
    """Quantize, save, and report what the files hold."""
    return quantize_with(SafeQuantizer, request, on_progress)


def quantize_with(
    quantizer: type[AwqQuantizer], request: BuildRequest, on_progress: OnProgress
) -> WrittenFolder:
    """Quantize with a given quantizer class, passed on by autoawq's own hook for that."""
    begin()
    on_progress(Progress(done=0, total=0, what="loading the base"))
    options = options_of(request.recipe, AutoAwqOptions, "autoawq")
    base, calibration = request.checkpoint.folder, request.required_calibration()
    rows = calibration_rows(calibration)
    with collected_warnings() as warnings:
        with older_checkpoint(base) as folder:
            awq = AutoAWQForCausalLM.from_pretrained(
                str(folder), torch_dtype=COMPUTE_DTYPE, trust_remote_code=False, device_map="cpu"
            )
        require_loaded(awq.model, base)
        consumption = watch(awq.model, on_progress)
        awq.quantize(
            quant_config={
                "w_bit": 4,
                "q_group_size": options.group_size,
                "zero_point": True,
                "version": "gemm",
            },
            calib_data=rows,
            max_calib_samples=len(rows),
            # autoawq joins the rows and cuts them to blocks of this length; a shorter rest is not used.
            max_calib_seq_len=min(calibration.max_length_tokens, sum(map(len, rows))),
            quantizer_cls=quantizer,
        )
        on_progress(Progress(done=0, total=0, what="saving"))
        save(awq.model, base, request.output, awq_config(options.group_size, left_out=()))
    return read_back(request, consumption, warnings)


def _clone_entries(_: torch.nn.Module, state: dict[str, torch.Tensor], *__: Any) -> None:
    for name, tensor in state.items():
        state[name] = tensor.clone()


if __name__ == "__main__":
    serve(quantize, BuildRequest)
