"""Asking an MLflow server's REST interface, without MLflow; where it does not answer, a plain sentence."""

import json
import os
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from types import MappingProxyType
from typing import IO, Any, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

from typing_extensions import override

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.domain.secrets import without_userinfo
from quantgate.pipelines.domain.values import JsonObject
from quantgate.registry.reading.login import authorization, tls_context
from quantgate.registry.tracking import URI_VARIABLE, WORKSPACE_VARIABLE, Tracking

_TIMEOUT_VARIABLE = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_TIMEOUT_SECONDS = 10.0
_MOST_BYTES = 64 << 20
_PIECE_BYTES = 4 << 20
_BODY_SECONDS = 300.0
"""How long a server may take to put a large body away before it answers."""
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
_ABSENT_ALIAS = re.compile(r"model alias .* not found\.?$")
"""What MLflow says of an alias that there is none of; its code is that of any wrong parameter."""
_BUSY = (429, 502, 503, 504)
_WAITS_SECONDS = (0.2, 1.0)
"""How long is waited before a busy server is asked again, and how often."""
_SHOWN_CHARACTERS = 300


class AbsentError(ServiceError):
    """The server does not have what was asked for."""


class ForbiddenError(ServiceError):
    """The server knows who asks, and does not let them."""


class ServerRequests:
    """The server that a tracking names, with a login."""

    def __init__(self, tracking: Tracking) -> None:
        """Nothing is asked yet.

        Raises:
            InputError: where a variable names a certificate that is none.
        """
        self._shown = tracking.shown
        self._server = without_userinfo(tracking.uri).rstrip("/")
        self._headers = authorization(tracking.uri) | _workspace()
        secure = urlsplit(self._server).scheme == "https"
        self._opener = _opener(tls_context() if secure else None)
        self._timeout = _timeout_seconds()

    def get(self, endpoint: str, query: Mapping[str, str] = MappingProxyType({})) -> JsonObject:
        """Return what a GET is answered.

        Raises:
            AbsentError: the server does not have it.
            ServiceError: it does not answer, refuses, or is no MLflow server.
        """
        return self._asked(endpoint, Request(f"{self._address(endpoint)}?{urlencode(query)}"))

    def post(self, endpoint: str, body: JsonObject) -> JsonObject:
        """Return what a POST is answered; as `get`."""
        headers = {"Content-Type": "application/json"}
        sent = json.dumps(body).encode()
        return self._asked(endpoint, Request(self._address(endpoint), sent, headers))

    def content(self, route: str, query: Mapping[str, str]) -> bytes:
        """Return the bytes that a route outside the interface serves, such as a run's file; as `get`.

        What it does not have is absent whatever it says: this route answers without MLflow's codes.
        """
        request = Request(f"{self._server}/{route}?{urlencode(query)}")
        try:
            return self._answered(request)
        except ServiceError as error:
            if isinstance(error.__cause__, HTTPError) and error.__cause__.code in (404, 500):
                raise AbsentError(error.what, where=self._shown) from error
            raise

    def send(self, route: str, content: BinaryIO, size_bytes: int) -> None:
        """Put a stream of so many bytes to a route outside the interface; it is sent once.

        Raises:
            ServiceError: as `get`; a server whose disk is full says nothing of that, and may hang up.
        """
        headers = {"Content-Length": str(size_bytes), "Content-Type": "application/octet-stream"}
        request = Request(f"{self._server}/{quote(route)}", content, headers, method="PUT")
        try:
            for _ in self._pieces(request):
                continue
        except ServiceError as error:
            if not _was_broken_off(error.__cause__):
                raise
            raise ServiceError(
                f"the artifact store did not take {route.rpartition('/')[2]}, {size_bytes:,} bytes "
                f"({error.what})",
                where=self._shown,
                next_step="look at the MLflow server's log (is its disk full?), then run the same command "
                "again: what arrived whole stays",
                transient=True,
            ) from error

    def pieces(self, route: str) -> Iterator[bytes]:
        """Yield the bytes that a route outside the interface serves, however many they are; as `get`."""
        yield from self._pieces(Request(f"{self._server}/{quote(route)}"))

    def version(self) -> str | None:
        """Return the server's version; None where what stands before it does not let that be asked.

        Raises:
            ServiceError: it does not answer, or refuses the login.
        """
        try:
            return self.content("version", {}).decode(errors="replace").strip()
        except AbsentError:
            return None

    def _pieces(self, request: Request) -> Iterator[bytes]:
        for name, text in self._headers.items():
            request.add_unredirected_header(name, text)
        try:
            with self._opener.open(request, timeout=max(self._timeout, _BODY_SECONDS)) as answer:
                while piece := answer.read(_PIECE_BYTES):
                    yield piece
        except HTTPError as error:
            with error:
                raise self._refused(error) from error
        except (OSError, HTTPException) as error:
            raise self._silent(error) from error

    def malformed(self, endpoint: str) -> ServiceError:
        """Return what to raise where an answer lacks what MLflow's has."""
        return ServiceError(
            f"its answer to {endpoint} is not MLflow's",
            where=self._shown,
            next_step=f"name an MLflow server in {URI_VARIABLE}",
        )

    def _address(self, endpoint: str) -> str:
        return f"{self._server}/api/2.0/mlflow/{endpoint}"

    def _asked(self, endpoint: str, request: Request) -> JsonObject:
        try:
            answer = json.loads(self._answered(request))
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self.malformed(endpoint)
        return answer

    def _answered(self, request: Request) -> bytes:
        for name, text in self._headers.items():
            request.add_unredirected_header(name, text)
        for wait in (*_WAITS_SECONDS, None):
            try:
                with self._opener.open(request, timeout=self._timeout) as answer:
                    content: bytes = answer.read(_MOST_BYTES)
                    return content
            except HTTPError as error:
                with error:
                    if error.code not in _BUSY or wait is None:
                        raise self._refused(error) from error
            except (OSError, HTTPException) as error:
                raise self._silent(error) from error
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _refused(self, error: HTTPError) -> ServiceError:
        said, code = _said(error), error.code
        if code == 401:
            return ServiceError(
                "MLflow refused the login (401): wrong user, password or token, or an expired one",
                where=self._shown,
                next_step="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or …_TOKEN",
            )
        if code == 403:
            return ForbiddenError(
                f"MLflow refused: this login may not do that (403{said.text})",
                where=self._shown,
                next_step="ask for the permission, or log in as somebody else",
            )
        if said.error_code in _ABSENT or _ABSENT_ALIAS.search(said.text):
            return AbsentError(f"does not have it{said.text}", where=self._shown)
        if code == 404 or 300 <= code < 400:
            return ServiceError(
                f"this is no MLflow server ({code} for /api/2.0/mlflow)",
                where=self._shown,
                next_step=f"correct {URI_VARIABLE}: its address, with the prefix that it is served below",
            )
        return ServiceError(
            f"MLflow {'failed' if code >= 500 else 'refused'} ({code}{said.text})",
            where=self._shown,
            next_step="look at the MLflow server and its log",
            transient=code in _BUSY or code >= 500,
        )

    def _silent(self, error: Exception) -> ServiceError:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            return ServiceError(
                f"the server's certificate cannot be trusted ({reason.verify_message})",
                where=self._shown,
                next_step="name who signed it: MLFLOW_TRACKING_SERVER_CERT_PATH=/path/to/ca.pem",
            )
        return ServiceError(
            f"MLflow does not answer ({reason})",
            where=self._shown,
            next_step=f"start the server, or correct {URI_VARIABLE}",
            transient=True,
        )


def _was_broken_off(cause: BaseException | None) -> bool:
    """Whether a server that was sent something failed, or hung up before it had all of it."""
    if isinstance(cause, HTTPError):
        return cause.code >= 500
    reason = cause.reason if isinstance(cause, URLError) else cause
    return isinstance(reason, ConnectionResetError | BrokenPipeError | TimeoutError)


class _Said:
    """What stands in an answer that refuses: MLflow's code, and its text after a colon where there is any."""

    def __init__(self, error_code: str, text: str) -> None:
        self.error_code = error_code
        self.text = text


def _said(error: HTTPError) -> _Said:
    try:
        answer = json.loads(error.read(_MOST_BYTES))
        code, message = str(answer["error_code"]), " ".join(str(answer.get("message", "")).split())
    except (ValueError, KeyError, TypeError, AttributeError, OSError, HTTPException):
        return _Said("", "")
    return _Said(code, f": {message[:_SHOWN_CHARACTERS]}" if message else "")


class _SameHost(HTTPRedirectHandler):
    """Follows a server to its own host alone: a login is for nobody else."""

    @override
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).hostname != urlsplit(req.full_url).hostname:
            return None
        followed = super().redirect_request(req, fp, code, msg, headers, newurl)
        if followed is not None and urlsplit(newurl).scheme == "https":
            for name, text in req.unredirected_hdrs.items():
                followed.add_unredirected_header(name, text)
        return followed


def _opener(context: ssl.SSLContext | None) -> OpenerDirector:
    """Return what opens addresses; proxies are those of the environment."""
    return build_opener(_SameHost, *([HTTPSHandler(context=context)] if context else []))


def _workspace() -> dict[str, str]:
    name = os.environ.get(WORKSPACE_VARIABLE, "").strip()
    return {"X-MLFLOW-WORKSPACE": name} if name else {}


def _timeout_seconds() -> float:
    text = os.environ.get(_TIMEOUT_VARIABLE, "")
    return float(text) if text.isdigit() and int(text) else _TIMEOUT_SECONDS
