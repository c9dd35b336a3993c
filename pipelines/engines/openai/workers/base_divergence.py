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
from quantgate.pipelines.engines.openai.answers import Asking
from quantgate.pipelines.engines.openai.likeliest import (
    LIKELIEST,
    NAN_REFUSED,
    asking_likeliest,
    likeliest,
)
from quantgate.pipelines.engines.openai.messages import ServedDivergenceCall
from quantgate.pipelines.engines.openai.session import Session, session
from quantgate.pipelines.engines.runtime import Prompt
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

_REFUSED = "HTTP 4"
_LEAST_MASS = 1e-9
"""Below, what is left of a probability is the rounding of those that were told."""


def measure(call: ServedDivergenceCall, on_progress: OnProgress) -> PositionDivergences:
    """Ask for the token after the beginning of each passage, up to each position that is to be compared.

    Where the server tells no probabilities there is nothing compared. One that told some and then tells none
    has no numbers there: that diverges infinitely.

    Raises:
        InputError: where the checkpoint's logits were altered since.
        ServiceError, WorkerError: where the server refuses, or ends.
    """
    kl: list[float] = []
    agreed: list[bool] = []
    total = sum(len(asked) for asked in call.asked)
    with checkpoint_logits(call.logits) as own, session(call.serving) as served:
        for row, ids in _beginnings(call.passages, call.asked):
            told = _likeliest(served, ids, begun=bool(kl))
            if not (told or kl):
                return PositionDivergences(kl=(), agreed=())
            logs = log_softmax(own.read(row, 1))[0]
            kl.append(coarse_divergence(logs, told))
            agreed.append(int(logs.argmax()) == max(told, key=told.__getitem__, default=None))
            on_progress(Progress(done=len(kl), total=total, what="comparing with the checkpoint"))
    return PositionDivergences(
        kl=tuple(kl), agreed=tuple(agreed), likeliest=LIKELIEST, asked=call.asked
    )


def coarse_divergence(own: NDArray[numpy.float64], told: Mapping[int, float]) -> float:
    """Return KL in nats between log probabilities `own` and those told of some tokens, the rest being one."""
    known = {token: value for token, value in told.items() if 0 <= token < len(own)}
    if not known or not all(math.isfinite(value) for value in known.values()):
        return math.inf
    shares = [(math.exp(own[token]), own[token] - value) for token, value in known.items()]
    divergence = sum(share * apart for share, apart in shares)
    own_rest = max(_LEAST_MASS, 1.0 - sum(share for share, _ in shares))
    told_rest = max(_LEAST_MASS, 1.0 - sum(math.exp(value) for value in known.values()))
    return max(0.0, float(divergence + own_rest * math.log(own_rest / told_rest)))


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
    asking = Asking(
        server=served.server,
        served_name=served.served_name,
        decode=DecodeSettings(max_tokens=1),
        stop_token_ids=(),
    )
    prompt = Prompt(item_id="base", token_ids=ids)
    body = asking.body(prompt) | (asking_likeliest(engine) or {})
    try:
        reply = served.client.post(asking.path, body, f"the token after {len(ids)} others")
    except ServiceError as error:
        if NAN_REFUSED not in error.what and (begun or _REFUSED not in error.what):
            raise
        return {}
    return likeliest(engine, reply)


if __name__ == "__main__":
    serve(measure, ServedDivergenceCall)
