"""HTTP to a server: bounded retries of what may pass by itself, one clear error for all else.

Retried are 408, 425, 429, 5xx and broken connections, with growing pauses, or as long as Retry-After asks
for. Any other answer that is none is final. A reply has to be whole in time and is bounded in size. The API
key goes into the request's header and nowhere else: should a server repeat it in a message, it is taken out.
"""

import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from quantgate.pipelines.domain.errors import InputError, QuantgateError, ServiceError
from quantgate.pipelines.domain.secrets import Secret, redacted
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.http.bounded_http import BoundedHttp, HttpReply, UnboundedError
from quantgate.pipelines.engines.http.patience import Patience
from quantgate.pipelines.engines.http.reply_json import message_of, object_in

_MAY_PASS = (408, 425, 429)
_NO_SUCH_PATH = (404, 405, 501)
_REDIRECTS = range(300, 400)
_SERVER_ERROR = 500
_READY_SECONDS = 5.0
_LONGEST_MESSAGE = 400
_LONGEST_NUMBER = 12
_LOGIN = (401, 403)
_AGAIN = (
    "start it or correct its address, and run the same command again: what was answered is kept"
)
_CERTIFICATE = "name the file with the certificate that it, or who signed it, has in SSL_CERT_FILE"
_SLOW = "let one answer take longer, or ask for fewer at once; what was answered is kept"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a server is and how it is asked; `api_key` None sends none.

    `timeout_seconds` is how long one reply may take, to its last byte.
    """

    url: str
    timeout_seconds: float
    connections: int
    api_key: Secret | None = None


def nobody_died() -> QuantgateError | None:
    """Stand in for the watch over a server that somebody else runs."""
    return None


_USUAL = Patience()


class ServerClient:
    """Requests to one server, from any number of threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        patience: Patience = _USUAL,
        died: Callable[[], QuantgateError | None] = nobody_died,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open a pool of connections; `died` tells the error of a server that has ended."""
        self._endpoint, self._patience = endpoint, patience
        import httpx

        self._died, self._pause = died, pause
        key = endpoint.api_key
        headers = {"Authorization": f"Bearer {key.reveal()}"} if key else {}
        self._http = _opened(
            {
                "base_url": endpoint.url,
                "headers": {"Accept-Encoding": "identity", **headers},
                "limits": httpx.Limits(max_connections=endpoint.connections),
                "trust_env": urlsplit(endpoint.url).hostname not in _LOOPBACK,
                "verify": httpx.create_ssl_context(),  # hears SSL_CERT_FILE, on this machine as well
            }
        )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def ready(self) -> bool:
        """Whether the server says that it can be asked (GET /health, or /v1/models where there is none)."""
        import httpx

        for path in ("/health", "/v1/models"):
            try:
                code = self._http.request("GET", path, None, _READY_SECONDS).status
            except (httpx.HTTPError, TimeoutError, UnboundedError):
                return False
            if code not in _NO_SUCH_PATH:
                return code < _SERVER_ERROR
        return False

    def get(self, path: str, what: str) -> JsonObject | None:
        """Return what a path tells; None where the server has no such path.

        Raises:
            QuantgateError: as for `post`.
        """
        response = self._ask("GET", path, None, what)
        return self._parsed(response, what) if response.is_success else None

    def post_if_there(
        self, path: str, body: Mapping[str, JsonValue], what: str
    ) -> JsonObject | None:
        """Return the reply; None where the server has no such path.

        Raises:
            QuantgateError: as for `post`.
        """
        response = self._ask("POST", path, body, what)
        return self._parsed(response, what) if response.is_success else None

    def post(self, path: str, body: Mapping[str, JsonValue], what: str) -> JsonObject:
        """Return the reply; `what` names what is asked for, e.g. an item.

        Raises:
            ServiceError: for a refusal, for too many failures, a reply that does not come in time, or
                one that is not a JSON object.
            QuantgateError: what `died` tells, where the server has ended.
        """
        return self._parsed(self.post_streamed(path, body, what), what)

    def post_streamed(self, path: str, body: Mapping[str, JsonValue], what: str) -> HttpReply:
        """Return the whole reply as it came, whatever is in it.

        Raises:
            QuantgateError: as for `post`.
        """
        response = self._ask("POST", path, body, what)
        if not response.is_success:
            raise self._refusal(what, response)
        return response

    def _ask(
        self, method: str, path: str, body: Mapping[str, JsonValue] | None, what: str
    ) -> HttpReply:
        """Return a success, or the answer that there is no such thing."""
        waited, patience = 0.0, self._patience
        for attempt in range(1, patience.tries + 1):
            answer = self._once(method, path, body, what)
            if isinstance(answer, HttpReply):
                return answer
            if error := self._died():
                raise error
            wait = answer.wait_seconds
            wait = self._growing(attempt) if wait is None else wait
            waited += wait
            if attempt == patience.tries or waited > patience.total_seconds:
                times = "once" if attempt == 1 else f"{attempt} times"
                raise self._error(what, f"failed {times}, at last: {answer.problem}", _AGAIN)
            self._pause(wait)
        raise AssertionError("tries is at least 1")

    def _once(
        self, method: str, path: str, body: Mapping[str, JsonValue] | None, what: str
    ) -> "HttpReply | _Setback":
        import httpx

        seconds = self._endpoint.timeout_seconds
        content = None if body is None else json.dumps(body).encode()
        try:
            response = self._http.request(method, path, content, seconds)
        except TimeoutError as error:
            if died := self._died():
                raise died from error
            raise self._error(what, f"no whole reply within {seconds:g} s", _SLOW) from error
        except UnboundedError as error:
            raise self._error(what, str(error)) from error
        except httpx.HTTPError as error:
            if isinstance(_cause(error), ssl.SSLCertVerificationError):
                raise self._error(what, str(error), _CERTIFICATE) from error
            return _Setback(problem=str(error) or type(error).__name__, wait_seconds=None)
        code = response.status
        if response.is_success or code in _NO_SUCH_PATH:
            return response
        if code in _MAY_PASS or code >= _SERVER_ERROR:
            return _Setback(problem=_said(response), wait_seconds=_retry_after(response))
        raise self._refusal(what, response)

    def _growing(self, attempt: int) -> float:
        pause = self._patience.first_pause_seconds * 2.0 ** (attempt - 1)
        return min(pause, self._patience.longest_pause_seconds)

    def _parsed(self, response: HttpReply, what: str) -> JsonObject:
        try:
            return object_in(response.body, _shown)
        except ValueError as error:
            raise self._error(what, str(error)) from error

    def _refusal(self, what: str, response: HttpReply) -> ServiceError:
        if response.status in _LOGIN:
            key = self._endpoint.api_key
            step = "give it a key that may do this" if key else "name the variable with its key"
            return self._error(what, _said(response), f"{step} (api_key_env)")
        if response.status in _NO_SUCH_PATH:
            return self._error(
                what, _said(response), "look at its address, and whether it still has the model"
            )
        return self._error(what, _said(response))

    def _error(self, what: str, problem: str, next_step: str | None = None) -> ServiceError:
        return ServiceError(
            f"{what}: {_short(redacted(problem))}", where=self._endpoint.url, next_step=next_step
        )


def _opened(options: Mapping[str, Any]) -> BoundedHttp:
    """Open a pool of connections.

    Raises:
        InputError: where the environment names a proxy whose address is none, or that needs another package.
    """
    import httpx

    try:
        return BoundedHttp(options)
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise InputError(
            f"the proxy that the environment names cannot be used ({error})",
            where=str(options["base_url"]),
            next_step="correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or name the server in NO_PROXY",
        ) from error


def _cause(error: BaseException) -> BaseException:
    """The error at the bottom: httpx and httpcore wrap what the connection raised."""
    while below := error.__cause__ or error.__context__:
        error = below
    return error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setback:
    """A try that may be repeated; `wait_seconds` None leaves the pause to us."""

    problem: str
    wait_seconds: float | None


def _said(response: HttpReply) -> str:
    if response.status in _REDIRECTS:
        place = response.headers.get("location", "elsewhere")
        return f"HTTP {response.status}: it redirects to {place}; write the address that answers"
    return f"HTTP {response.status}: {_short(message_of(response.body, response.reason))}"


def _shown(body: bytes) -> str:
    return (
        _short(redacted(body[: 2 * _LONGEST_MESSAGE].decode("utf-8", errors="replace")))
        or "nothing"
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]} …"


def _retry_after(response: HttpReply) -> float | None:
    """Seconds to wait, as RFC 9110 (10.2.3) writes them: a number, or a date."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:_LONGEST_NUMBER])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # whatever is no date
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
