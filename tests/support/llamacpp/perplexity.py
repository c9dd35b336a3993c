"""What `llama-perplexity --kl-divergence` prints."""

import re

_MEAN = re.compile(r"Mean {4}KLD: +(\d+\.\d+)")


def printed_divergence(output: str) -> float | None:
    """Return the mean divergence, nats a token; None where the log lost its end, where it stands.

    A thread writes the log, and the program's exit does not wait for it: 2 of 60 runs lost the end, and 20
    of 60 that ran three at a time on two cores. The log may also have got onto the same line.
    """
    mean = _MEAN.search(output)
    return float(mean.group(1)) if mean else None
