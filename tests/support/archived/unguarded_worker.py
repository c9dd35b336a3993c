"""Child process of the archived environment: our autoawq worker with the quantizer class that corrupts."""

from awq.quantize.quantizer import AwqQuantizer

from quantgate.pipelines.engines.archived.messages import ArchivedFacts, AutoAwqCall
from quantgate.pipelines.engines.archived.workers.autoawq import quantize_with
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.process.harness import serve


def quantize(call: AutoAwqCall, on_progress: OnProgress) -> ArchivedFacts:
    """Quantize without a backup."""
    return quantize_with(AwqQuantizer, call, on_progress)


if __name__ == "__main__":
    serve(quantize, AutoAwqCall)
