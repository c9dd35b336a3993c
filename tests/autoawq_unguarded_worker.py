"""Child process of the archived environment: our autoawq worker with the quantizer class that corrupts."""

from awq.quantize.quantizer import AwqQuantizer

from pipelines.engines.archived.messages import ArchivedFacts, AutoAwqCall
from pipelines.engines.archived.workers.autoawq import quantize_with
from pipelines.process.calls import OnProgress
from pipelines.process.harness import serve


def quantize(call: AutoAwqCall, on_progress: OnProgress) -> ArchivedFacts:
    """Quantize without a backup."""
    return quantize_with(AwqQuantizer, call, on_progress)


if __name__ == "__main__":
    serve(quantize, AutoAwqCall)
