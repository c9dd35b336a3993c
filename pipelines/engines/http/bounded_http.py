"""One HTTP exchange, bounded in time and size whatever the other side does.

httpx bounds each read, so a server that sends a byte a second is never late, and it unpacks whatever is
packed. Here one deadline covers all of an exchange (name look-up, connecting, headers, the last byte), and a
reply's bytes are counted before and after unpacking. Redirects are not followed: they would take the key
elsewhere.
"""

import asyncio
import threading
import time
import zlib
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

Result = TypeVar("Result")

MOST_BYTES = 32 << 20
"""Of one reply. A long answer with its token ids and log probabilities takes one or two MiB."""

_UNPACKERS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class UnboundedError(Exception):
    """A reply that is larger than allowed, or packed in a way that cannot be bounded; says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """A whole reply; names of headers are in small letters.

    `arrivals` say after how many seconds how many bytes of it had come, as they came.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    arrivals: tuple[tuple[float, int], ...] = ()

    @property
    def is_success(self) -> bool:
        """Whether the status is one of 200 to 299."""
        return 200 <= self.status < 300


class BoundedHttp:
    """Exchanges with one server, from any number of threads; `client` says where and how it is reached."""

    def __init__(self, options: Mapping[str, Any], *, most_bytes: int = MOST_BYTES) -> None:
        """Open a pool of connections. `options` are httpx.AsyncClient's, its timeout aside."""
        import httpx

        self._most_bytes = most_bytes
        self._http = httpx.AsyncClient(**options, timeout=None, follow_redirects=False)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def request(self, method: str, path: str, body: bytes | None, seconds: float) -> HttpReply:
        """Return the whole reply.

        Raises:
            TimeoutError: where it is not whole after so many seconds.
            UnboundedError: where it is too large.
            httpx.HTTPError: where the connection breaks, or what comes is no HTTP.
        """
        return self._run(asyncio.wait_for(self._exchange(method, path, body), seconds))

    def close(self) -> None:
        """Close all connections."""
        self._run(self._http.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _exchange(self, method: str, path: str, body: bytes | None) -> HttpReply:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        asked = time.perf_counter()
        arrivals: list[tuple[float, int]] = []
        async with self._http.stream(method, path, content=body, headers=headers) as response:
            received = bytearray()
            async for chunk in response.aiter_raw():
                received += chunk
                arrivals.append((time.perf_counter() - asked, len(received)))
                if len(received) > self._most_bytes:
                    raise UnboundedError(f"the reply is larger than {self._most_bytes:,} bytes")
            return HttpReply(
                status=response.status_code,
                reason=response.reason_phrase,
                headers=dict(response.headers),
                body=self._unpacked(bytes(received), response.headers.get("content-encoding", "")),
                arrivals=tuple(arrivals),
            )

    def _unpacked(self, body: bytes, encoding: str) -> bytes:
        """Unpack what came packed although that was not asked for."""
        import httpx

        name = encoding.strip().lower()
        if name in ("", "identity") or not body:
            return body
        if name not in _UNPACKERS:
            raise UnboundedError(f"the reply is packed as '{name[:40]}', which was not asked for")
        unpacker = zlib.decompressobj(_UNPACKERS[name])
        try:
            unpacked = unpacker.decompress(body, self._most_bytes + 1)
        except zlib.error as error:
            raise httpx.DecodingError(f"the reply cannot be unpacked ({error})") from error
        if len(unpacked) > self._most_bytes:
            raise UnboundedError(
                f"the reply is larger than {self._most_bytes:,} bytes when it is unpacked"
            )
        if not unpacker.eof:
            raise httpx.DecodingError("the packed reply is cut off")
        return unpacked
