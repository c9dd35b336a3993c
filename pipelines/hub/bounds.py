"""A hub that misbehaves neither hangs this program nor fills its memory.

huggingface-hub's client waits for ever by default and reads whatever comes. Its session gets two hooks
(httpx, "Event hooks"): each request has a time for each read, and each reply a bound on all of it: listings
and messages in time and size, files in their pace, since they may rightly take hours.
"""

import time
from collections.abc import Iterator

import httpx

READ_SECONDS = 30.0
_TIMES = ("connect", "read", "write", "pool")


class Bounds:
    """What a reply that is no file may take, and how slow a file may come."""

    def __init__(
        self,
        *,
        seconds: float = 120.0,
        most_bytes: int = 64 << 20,
        pace_seconds: float = 60.0,
        pace_bytes: int = 64 << 10,
    ) -> None:
        """A file has to bring `pace_bytes` in every `pace_seconds`."""
        self.seconds, self.most_bytes = seconds, most_bytes
        self.pace_seconds, self.pace_bytes = pace_seconds, pace_bytes

    def request(self, request: httpx.Request) -> None:
        """Give a request that may wait for ever its times."""
        given = request.extensions.get("timeout") or {}
        request.extensions = dict(request.extensions) | {
            "timeout": {name: given.get(name) or READ_SECONDS for name in _TIMES}
        }

    def response(self, response: httpx.Response) -> None:
        """Bound a reply that is about to be read."""
        if isinstance(response.stream, httpx.SyncByteStream):
            response.stream = _Bounded(
                response.stream, self, is_file="/resolve/" in str(response.url)
            )


class _Bounded(httpx.SyncByteStream):
    """The inner stream until it takes too long or too much."""

    def __init__(self, inner: httpx.SyncByteStream, bounds: Bounds, *, is_file: bool) -> None:
        self._inner, self._bounds, self._is_file = inner, bounds, is_file

    def __iter__(self) -> Iterator[bytes]:
        """Yield chunks.

        Raises:
            httpx.ReadTimeout, httpx.ReadError: where it takes too long, or too much.
        """
        bounds, started, size = self._bounds, time.monotonic(), 0
        pace_started, pace_size = started, 0
        for chunk in self._inner:
            now, size = time.monotonic(), size + len(chunk)
            if not self._is_file:
                if now - started > bounds.seconds:
                    raise httpx.ReadTimeout(f"no whole reply within {bounds.seconds:g} s")
                if size > bounds.most_bytes:
                    raise httpx.ReadError(f"a reply of more than {bounds.most_bytes:,} bytes")
            elif now - pace_started > bounds.pace_seconds:
                if size - pace_size < bounds.pace_bytes:
                    raise httpx.ReadTimeout("a file comes too slowly")
                pace_started, pace_size = now, size
            yield chunk

    def close(self) -> None:
        """Close the connection, or give it back."""
        self._inner.close()


_bounds = Bounds()


def bound_session(bounds: Bounds = _bounds) -> None:
    """Bound huggingface-hub's session; calling it again changes nothing."""
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # documented

    session = get_session()
    hooks = session.event_hooks
    if bounds.response in hooks["response"]:
        return
    session.event_hooks = {
        "request": [*hooks["request"], bounds.request],
        "response": [*hooks["response"], bounds.response],
    }
