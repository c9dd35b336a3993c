"""Child process of the archived environment: our autoawq worker with the quantizer class that corrupts."""

from awq.quantize.quantizer import AwqQuantizer

from quantgate.pipelines.engines.archived.workers.autoawq import quantize_with
from quantgate.pipelines.engines.backend import BuildRequest, WrittenFolder
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.process.harness import serve


def quantize(request: BuildRequest, on_progress: OnProgress) -> WrittenFolder:
    """Quantize without a backup."""
    return quantize_with(AwqQuantizer, request, on_progress)


if __name__ == "__main__":
    serve(quantize, BuildRequest)
