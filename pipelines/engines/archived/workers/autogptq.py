"""Child process of the archived environment: quantizes one checkpoint folder with auto-gptq 0.7.1."""

import json

import torch
from auto_gptq import BaseQuantizeConfig
from auto_gptq.modeling import _base, _utils
from auto_gptq.modeling.auto import GPTQ_CAUSAL_LM_MODEL_MAP
from transformers import AutoModelForCausalLM, PreTrainedModel

from quantgate.pipelines.domain.recipe import AutoGptqOptions
from quantgate.pipelines.domain.values import JsonObject
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
from quantgate.pipelines.formats.packed.config import gptq_config
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve


def quantize(request: BuildRequest, on_progress: OnProgress) -> WrittenFolder:
    """Quantize, save, and report what the files hold."""
    begin()
    _stay_on_the_cpu()
    on_progress(Progress(done=0, total=0, what="loading the base"))
    options = options_of(request.recipe, AutoGptqOptions, "auto-gptq")
    base = request.checkpoint.folder
    config = BaseQuantizeConfig(
        bits=4,
        group_size=options.group_size,
        damp_percent=options.dampening_fraction,
        desc_act=False,
        sym=True,
    )
    rows = calibration_rows(request.required_calibration())
    with collected_warnings() as warnings:
        with older_checkpoint(base) as folder:
            model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=COMPUTE_DTYPE).eval()
        require_loaded(model, base)
        consumption = watch(model, on_progress)
        # Its own from_pretrained refuses machines without CUDA; the class behind it does not.
        gptq = GPTQ_CAUSAL_LM_MODEL_MAP[model.config.model_type](
            model, quantized=False, quantize_config=config
        )
        examples = [{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows]
        gptq.quantize(examples, batch_size=1, cache_examples_on_gpu=False)
        on_progress(Progress(done=0, total=0, what="saving"))
        _save(gptq.model, request, gptq_config(options.group_size))
    return read_back(request, consumption, warnings)


def _save(model: PreTrainedModel, request: BuildRequest, quantization: JsonObject) -> None:
    """Save as transformers reads it, and the file that readers of auto-gptq's own time look for."""
    save(model, request.checkpoint.folder, request.output, quantization)
    text = json.dumps(quantization, indent=2)
    (request.output / "quantize_config.json").write_text(text + "\n")


def _stay_on_the_cpu() -> None:
    """Make auto-gptq, which names the first GPU in its code, compute where there is none."""
    _base.CUDA_0 = _utils.CUDA_0 = torch.device("cpu")
    torch.cuda.synchronize = lambda *_: None


if __name__ == "__main__":
    serve(quantize, BuildRequest)
