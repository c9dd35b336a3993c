"""Child process: how far a base, as a server computes it, is from the checkpoint itself.

A server tells its likeliest next tokens alone, so they are compared as so many tokens and one rest: what is
found of the divergence is never more than there is (the log-sum inequality), and mostly all of it.
"""

import math
from collections.abc import Iterator, Mapping

import numpy
from numpy.typing import NDArray

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.divergence.base_messages import Passage, PositionDivergences
from quantgate.pipelines.engines.divergence.positions import checkpoint_logits
from quantgate.pipelines.engines.divergence.sums import log_softmax
from quantgate.pipelines.engines.openai.answers import Completions
from quantgate.pipelines.engines.openai.likeliest import (
    LIKELIEST,
    NAN_REFUSED,
    asked_positions,
    asking_likeliest,
    likeliest,
)
from quantgate.pipelines.engines.openai.messages import Served
from quantgate.pipelines.engines.openai.session import Session, session
from quantgate.pipelines.engines.requests import BaseDivergenceRequest, Prompt
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

_REFUSED = "HTTP 4"
_LEAST_MASS = 1e-9
"""Below, what is left of a probability is the rounding of those that were named."""


def measure(call: Served[BaseDivergenceRequest], on_progress: OnProgress) -> PositionDivergences:
    """Ask for the token after the beginning of each passage, up to each position that is to be compared.

    Where the server tells no probabilities there is nothing compared. One that told some and then tells none
    has no numbers there: that diverges infinitely.

    Raises:
        InputError: where the checkpoint's logits were altered since.
        ServiceError, WorkerError: where the server refuses, or ends.
    """
    kl: list[float] = []
    agreed: list[bool] = []
    checkpoint = call.request.checkpoint_logits
    asked = asked_positions(checkpoint.passages, call.request.context_tokens)
    total = sum(len(positions) for positions in asked)
    with checkpoint_logits(checkpoint.output) as stored, session(call.serving) as served:
        for row, ids in _beginnings(checkpoint.passages, asked):
            named = _likeliest(served, ids, begun=bool(kl))
            if not (named or kl):
                return PositionDivergences(kl=(), agreed=())
            logs = log_softmax(stored.read(row, 1))[0]
            kl.append(coarse_divergence(logs, named))
            agreed.append(int(logs.argmax()) == max(named, key=named.__getitem__, default=None))
            on_progress(Progress(done=len(kl), total=total, what="comparing with the checkpoint"))
    return PositionDivergences(kl=tuple(kl), agreed=tuple(agreed), likeliest=LIKELIEST, asked=asked)


def coarse_divergence(checkpoint: NDArray[numpy.float64], served: Mapping[int, float]) -> float:
    """Return KL in nats between a checkpoint's log probabilities and those a server names.

    What the server leaves out counts as one token.
    """
    named = {token: value for token, value in served.items() if 0 <= token < len(checkpoint)}
    if not named or not all(math.isfinite(value) for value in named.values()):
        return math.inf
    shares = [
        (math.exp(checkpoint[token]), checkpoint[token] - value) for token, value in named.items()
    ]
    divergence = sum(share * apart for share, apart in shares)
    checkpoint_rest = max(_LEAST_MASS, 1.0 - sum(share for share, _ in shares))
    served_rest = max(_LEAST_MASS, 1.0 - sum(math.exp(value) for value in named.values()))
    rest = checkpoint_rest * math.log(checkpoint_rest / served_rest)
    return max(0.0, float(divergence + rest))


def _beginnings(
    passages: tuple[Passage, ...], asked: tuple[tuple[int, ...], ...]
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the row of a position in the kept logits, and the tokens up to and with that position."""
    before = 0
    for passage, positions in zip(passages, asked, strict=True):
        for position in positions:
            row = before + passage.positions.index(position)
            yield row, passage.token_ids[: position + 1]
        before += len(passage.positions)


def _likeliest(served: Session, ids: tuple[int, ...], *, begun: bool) -> dict[int, float]:
    """Ask; a server that refuses the first such request (vLLM's `--max-logprobs`) tells nothing."""
    engine = served.server.engine
    completions = Completions(
        server=served.server,
        served_name=served.served_name,
        decode=DecodeSettings(max_tokens=1),
        stop_token_ids=(),
    )
    prompt = Prompt(item_id="base", token_ids=ids)
    body = completions.body(prompt) | (asking_likeliest(engine) or {})
    try:
        reply = served.client.post(completions.path, body, f"the token after {len(ids)} others")
    except ServiceError as error:
        if NAN_REFUSED not in error.what and (begun or _REFUSED not in error.what):
            raise
        return {}
    return likeliest(engine, reply)


if __name__ == "__main__":
    serve(measure, Served[BaseDivergenceRequest])
