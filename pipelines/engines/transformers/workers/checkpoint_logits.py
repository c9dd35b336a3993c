"""Child process: what a checkpoint itself says next, computed by transformers as its configuration says.

Whole passages at once, attention in its plain form (`eager`: no kernel that could leave a soft cap out),
no cache. On the CPU, whatever else there is: nothing rounds there but the arithmetic itself.
"""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, PreTrainedModel

from quantgate.pipelines.domain.errors import CheckpointError, QuantgateError
from quantgate.pipelines.engines.divergence.base_logits import BaseLogits, Logits
from quantgate.pipelines.engines.divergence.base_messages import (
    LOGITS_FILE,
    CheckpointLogits,
    CheckpointLogitsCall,
    Passage,
)
from quantgate.pipelines.engines.loading_report import COPY_AGAIN
from quantgate.pipelines.engines.transformers.workers.forward import forward
from quantgate.pipelines.engines.workers.bfloat16 import multiply_bfloat16_in_float32
from quantgate.pipelines.engines.workers.classes import auto_model
from quantgate.pipelines.engines.workers.strict_loading import require_clean
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.endings.last_words import words_of
from quantgate.pipelines.process.endings.shortage import machine_trouble
from quantgate.pipelines.process.harness import serve

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def compute(call: CheckpointLogitsCall, on_progress: OnProgress) -> CheckpointLogits:
    """Write the checkpoint's logits into their folder, unless they are there.

    Raises:
        CheckpointError: where it does not load cleanly, or cannot be computed with the changes that are
            asked for, or its logits are not finite.
        ToolchainError: where the disk is full.
    """

    def produce(staging: Path) -> CheckpointLogits:
        on_progress(Progress(done=0, total=0, what="loading the checkpoint itself"))
        model = _load(call)
        size = int(model.config.get_text_config().vocab_size)
        with (staging / LOGITS_FILE).open("wb") as file:
            written = BaseLogits(size, file)
            for done, passage in enumerate(call.passages, start=1):
                written.add(passage_logits(model, passage))
                on_progress(Progress(done=done, total=len(call.passages), what=_WHAT))
        positions = sum(len(passage.positions) for passage in call.passages)
        return CheckpointLogits(vocabulary_size=size, positions=positions)

    return produce_once(call.output, CheckpointLogits, produce).record


@torch.inference_mode()
def passage_logits(model: PreTrainedModel, passage: Passage, **options: object) -> Logits:
    """Return the logits after a passage's compared positions, a row each, in float32.

    `options` go to the model's forward pass.
    """
    ids = torch.tensor([passage.token_ids], device=model.device)
    positions = torch.tensor(passage.positions, device=model.device)
    logits = forward(model, input_ids=ids, logits_to_keep=positions, **options).logits[0]
    if len(logits) != len(positions):  # its class returns those of all positions
        logits = logits[positions]
    rows: Logits = logits.float().cpu().numpy()
    return rows


def _load(call: CheckpointLogitsCall) -> PreTrainedModel:
    if not call.changes:
        return _loaded(call)
    try:
        return _loaded(call, config=_changed_config(call))
    except QuantgateError:
        raise
    # Whatever a class makes of settings that were not made for each other.
    except Exception as error:
        reason = words_of(error)
        raise machine_trouble(reason) or CheckpointError(
            f"makes no model with {call.changes}: {reason}",
            where=str(call.checkpoint),
            next_step=COPY_AGAIN,
        ) from error


def _changed_config(call: CheckpointLogitsCall) -> Any:
    """Make the configuration anew: its class works out further settings from those that it is given."""
    config = AutoConfig.from_pretrained(call.checkpoint, local_files_only=True)
    text = config.get_text_config()
    changed = type(text)(**(text.to_dict() | json.loads(call.changes)))
    if text is config:
        return changed
    name = next(name for name, value in vars(config).items() if value is text)
    setattr(config, name, changed)
    return config


def _loaded(call: CheckpointLogitsCall, **options: object) -> PreTrainedModel:
    multiply_bfloat16_in_float32()
    model, loading = auto_model(call.checkpoint).from_pretrained(
        call.checkpoint,
        **options,
        dtype=_DTYPES[call.compute_dtype],
        attn_implementation="eager",
        output_loading_info=True,
        local_files_only=True,
        ignore_mismatched_sizes=True,  # they are refused below, by name
    )
    require_clean(call.checkpoint, loading)
    clean: PreTrainedModel = model.eval()
    return clean


_WHAT = "computing the checkpoint itself"


if __name__ == "__main__":
    serve(compute, CheckpointLogitsCall)
