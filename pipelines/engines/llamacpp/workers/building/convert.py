"""Child process: convert a checkpoint folder to one F16 GGUF with llama.cpp's own converter."""

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.llamacpp.build_messages import ConvertCall, ConvertFacts
from quantgate.pipelines.engines.llamacpp.workers.building.converter import run_converter
from quantgate.pipelines.engines.llamacpp.workers.building.gguf import read_gguf
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve


def convert(call: ConvertCall, on_progress: OnProgress) -> ConvertFacts:
    """Convert and validate.

    Raises:
        CheckpointError: where llama.cpp does not know the architecture or the tokenizer's rules, or a
            weight does not fit F16.
    """
    on_progress(Progress(done=0, total=0, what="converting to GGUF"))
    facts = run_converter(call)
    _refuse_nonfinite(call)
    return facts


def _refuse_nonfinite(call: ConvertCall) -> None:
    with read_gguf(call.output) as gguf:
        bad = [tensor.name for tensor in gguf.tensors if not gguf.is_finite(tensor)]
    if bad:
        raise CheckpointError(
            f"NaN, or values above 65504 that F16 cannot hold, in {len(bad)} tensors: "
            + ", ".join(bad[:5]),
            where=str(call.checkpoint),
            next_step="leave GGUF recipes out for this checkpoint",
        )


if __name__ == "__main__":
    serve(convert, ConvertCall)
