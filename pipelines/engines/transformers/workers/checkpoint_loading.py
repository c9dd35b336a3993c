"""Child process: what transformers would make of a checkpoint, from its headers alone.

The model is built on torch's `meta` device, where tensors have names and shapes and no numbers: what is
missing, misshapen or used by nothing shows in seconds, however large the weights are.
"""

import json
import logging
import re
from typing import Any

from transformers import AutoConfig

from quantgate.pipelines.domain.errors import CheckpointError, QuantgateError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.loading_report import LoadingReport, Misshapen
from quantgate.pipelines.engines.transformers.checkpoint_loading import LoadingCall
from quantgate.pipelines.engines.workers.classes import auto_model, model_class
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.endings.shortage import machine_trouble
from quantgate.pipelines.process.harness import serve

_SIZES = re.compile(
    r"(size|_heads?|_layers?|experts|dim|rank|embeddings|positions|embd|d_model|inner|multiple_of)$"
)
"""Settings that weights have to fit."""
_QUANTIZED = ("quantization_config", "compression_config")


def report(call: LoadingCall, on_progress: OnProgress) -> LoadingReport:
    """Return the configuration with all its defaults, and what does not fit it.

    Raises:
        CheckpointError: where transformers refuses the configuration.
        ToolchainError: where it ran out of memory over it, or something else failed on this machine.
    """
    on_progress(Progress(done=0, total=0, what="comparing names and shapes"))
    logging.getLogger("transformers").setLevel(logging.ERROR)  # its own table of the same
    config = _config(call)
    text = json.loads(config.get_text_config().to_json_string(use_diff=False))
    stored = json.loads((call.checkpoint / "config.json").read_bytes())
    if any(stored.get(key) for key in _QUANTIZED):  # packed names are another matter
        return LoadingReport(config_json=json.dumps(text), missing=(), misshapen=(), unused=())
    loading = _loading(call)
    return LoadingReport(
        config_json=json.dumps(text),
        defaults_json=json.dumps(_defaults(config.get_text_config(), text)),
        missing=tuple(sorted(loading["missing_keys"])),
        misshapen=tuple(
            Misshapen(name=name, stored=tuple(stored), described=tuple(described))
            for name, stored, described in sorted(loading["mismatched_keys"], key=str)
        ),
        unused=tuple(sorted(loading["unexpected_keys"])),
    )


def _config(call: LoadingCall) -> Any:
    try:
        config = AutoConfig.from_pretrained(call.checkpoint, local_files_only=True)
    except Exception as error:  # whatever a configuration makes its class raise
        raise _refused(call, error) from error
    model_class(config, call.checkpoint)
    return config


def _defaults(config: Any, text: JsonObject) -> JsonObject:
    """Return what a class makes of its sizes alone, without them; nothing where it wants more."""
    sizes = {name: value for name, value in text.items() if _SIZES.search(name)}
    try:
        made: JsonObject = json.loads(type(config)(**sizes).to_json_string(use_diff=False))
    except Exception:  # noqa: BLE001 - its class may want more than sizes, and says so in its own way
        return {}
    return {name: value for name, value in made.items() if name not in sizes}


def _loading(call: LoadingCall) -> Any:
    try:
        _, loading = auto_model(call.checkpoint).from_pretrained(
            call.checkpoint,
            device_map="meta",
            output_loading_info=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # they are reported, by name
        )
    except Exception as error:  # as above
        raise _refused(call, error) from error
    return loading


def _refused(call: LoadingCall, error: Exception) -> QuantgateError:
    """A machine in trouble says nothing of the configuration."""
    reason = next((line for line in str(error).splitlines() if line.strip()), "without a reason")
    said = f"{type(error).__name__}: {reason.strip()}"
    return machine_trouble(said) or CheckpointError(
        f"transformers makes no model of it: {said}",
        where=str(call.checkpoint / "config.json"),
        next_step="compare config.json with that of the repository the checkpoint came from",
    )


if __name__ == "__main__":
    serve(report, LoadingCall)
