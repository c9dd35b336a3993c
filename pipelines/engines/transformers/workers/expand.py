"""Child process: write a low-bit checkpoint folder anew with its weights in bfloat16, a tensor at a time."""

import json

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.loading_report import COPY_AGAIN
from quantgate.pipelines.engines.transformers.expanding import ExpandCall, ExpandedFacts
from quantgate.pipelines.engines.transformers.workers.expansion import expanded_tensors
from quantgate.pipelines.files.json_files import read_json_object
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.formats.sharded import write_sharded
from quantgate.pipelines.formats.tokenizers.folder import copy_tokenizer
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

_LOW_BIT_KEYS = ("quantization_config", "compression_config", "torch_dtype")


def expand(call: ExpandCall, on_progress: OnProgress) -> ExpandedFacts:
    """Write config.json, weights, tokenizer and templates.

    Raises:
        CheckpointError: where nothing is low-bit, or weights are not what their layout says.
    """
    tensors = expanded_tensors(call.source, call.format)
    expanded = sum(tensor.was_low_bit for tensor in tensors)
    if not expanded:
        raise CheckpointError(
            f"config.json says {call.format}, and no tensor is stored so",
            where=str(call.source),
            next_step=COPY_AGAIN,
        )
    write_sharded(
        call.output,
        [tensor.pending for tensor in tensors],
        lambda done, total: on_progress(
            Progress(done=done, total=total, what="expanding the checkpoint to bfloat16")
        ),
    )
    config = read_json_object(call.source / "config.json")
    kept = {key: value for key, value in config.items() if key not in _LOW_BIT_KEYS}
    write_text(call.output / "config.json", json.dumps({**kept, "dtype": "bfloat16"}, indent=2))
    copy_tokenizer(call.source, call.output)
    return ExpandedFacts(tensors=len(tensors), expanded=expanded)


if __name__ == "__main__":
    serve(expand, ExpandCall)
