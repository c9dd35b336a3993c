"""A streamed completion: when its events came, and how many tokens they are.

Source: the event stream of HTML (WHATWG, server-sent events) as OpenAI's interface uses it: `data:` lines,
the last of which says `[DONE]`; with `stream_options.include_usage` one before it counts tokens.
"""

import json
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from quantgate.pipelines.engines.http.bounded_http import HttpReply

_DATA, _DONE = b"data:", b"[DONE]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """A completion as it came: seconds from the request to its first event with a choice and to its last one.

    `tokens` is the server's own count, else how many events held a choice.
    """

    first_seconds: float
    last_seconds: float
    tokens: int

    @property
    def tokens_per_second(self) -> float | None:
        """How fast tokens came after the first one; None where there was no second, or no time between."""
        seconds = self.last_seconds - self.first_seconds
        return (self.tokens - 1) / seconds if self.tokens > 1 and seconds > 0 else None


def streamed(reply: HttpReply) -> Streamed | None:
    """Return what a stream shows; None where it is none, or nothing came."""
    ends = [received for _, received in reply.arrivals]
    times: list[float] = []
    counted = 0
    for end, event in _events(reply.body):
        usage = event.get("usage")
        if isinstance(usage, dict) and isinstance(usage.get("completion_tokens"), int):
            counted = max(counted, usage["completion_tokens"])
        if event.get("choices"):
            times.append(reply.arrivals[min(bisect_left(ends, end), len(ends) - 1)][0])
    if not times:
        return None
    return Streamed(first_seconds=times[0], last_seconds=times[-1], tokens=counted or len(times))


def _events(body: bytes) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield each event with the place at which its line ends."""
    place = 0
    for line in body.splitlines(keepends=True):
        place += len(line)
        data = line.strip().removeprefix(_DATA).strip()
        if not line.startswith(_DATA) or data == _DONE:
            continue
        try:
            event = json.loads(data)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield place, event
