"""The GPUs that torch computes on in a worker."""

import torch

from quantgate.pipelines.process.devices.placed import placed_gpus, require_gpus


def gpus_for_torch() -> int:
    """Return how many GPUs torch is to compute on, which are those that it sees; 0 is the CPU.

    Raises:
        ToolchainError: where it sees more or fewer than it was placed on.
    """
    if torch.version.cuda is None:
        return 0
    require_gpus("torch", torch.cuda.device_count() if torch.cuda.is_available() else 0)
    return placed_gpus()
