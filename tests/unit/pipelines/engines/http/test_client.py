import re
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError, ServiceError, WorkerError
from quantgate.pipelines.domain.secrets import Secret
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.http.client import Endpoint, ServerClient
from quantgate.pipelines.engines.http.patience import Patience
from tests.support.servers.certificates import self_signed
from tests.support.servers.openai_fake import FakeEngine, Fault, fake_server

BODY: JsonObject = {"prompt": [5, 6]}


class Asked:
    """One request to a fake that goes wrong in the given ways; pauses are noted, not made."""

    def __init__(self, *faults: Fault, key: str | None = None, timeout: float = 5.0) -> None:
        self.engine = FakeEngine(faults=list(faults))
        self.pauses: list[float] = []
        self.key, self.timeout = key, timeout
        self.death: WorkerError | None = None

    def reply(self, patience: Patience | None = None) -> dict[str, object]:
        with fake_server(self.engine) as url:
            endpoint = Endpoint(
                url=url,
                timeout_seconds=self.timeout,
                connections=2,
                api_key=Secret(self.key) if self.key else None,
            )
            client = ServerClient(
                endpoint,
                patience=patience or Patience(),
                died=lambda: self.death,
                pause=self.pauses.append,
            )
            try:
                return dict(client.post("/v1/completions", BODY, "item one"))
            finally:
                client.close()

    def error(self, patience: Patience | None = None) -> str:
        with pytest.raises(ServiceError) as caught:
            self.reply(patience)
        return str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_by_itself_is_tried_again_with_growing_pauses(status: int) -> None:
    asked = Asked(*[Fault(status=status)] * 3)
    assert asked.reply()["model"] == "model"
    assert len(asked.engine.requests) == 4
    assert asked.pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [400, 401, 403, 409, 422])
def test_a_refusal_is_not_tried_again_and_is_told_in_the_servers_words(status: int) -> None:
    asked = Asked(Fault(status=status, body=b'{"error": {"message": "no such field"}}'))
    error = asked.error()
    assert f"item one: HTTP {status}: no such field" in error
    assert len(asked.engine.requests) == 1
    assert asked.pauses == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"object": "error", "message": "too long"}', "too long"),
        (b'{"detail": "Not allowed"}', "Not allowed"),
        (b"<html><p>a teapot</p></html>", "a teapot"),
        (b"", "Bad Request"),
    ],
)
def test_every_form_of_message_is_found(body: bytes, told: str) -> None:
    assert f"HTTP 400: {told}" in Asked(Fault(status=400, body=body)).error()


def test_a_model_that_is_not_there_is_a_refusal_and_no_missing_path() -> None:
    asked = Asked(Fault(status=404, body=b'{"error": {"message": "model x does not exist"}}'))
    assert "HTTP 404: model x does not exist" in asked.error()


@pytest.mark.parametrize(
    ("fault", "key", "step"),
    [
        (Fault(status=401), None, r"name the variable with its key \(api_key_env\)"),
        (Fault(status=403), "sk-1", r"give it a key that may do this \(api_key_env\)"),
        (Fault(status=404), None, "whether it still has the model"),
        (Fault(status=503), None, "start it or correct its address"),
        (Fault(seconds=0.5), None, "let one answer take longer"),
    ],
)
def test_what_a_person_can_do_about_a_server_is_told(
    fault: Fault, key: str | None, step: str
) -> None:
    asked = Asked(fault, key=key, timeout=0.2)
    assert re.search(f"next: .*{step}", asked.error(Patience(tries=1)))


def test_retry_after_is_waited_for_in_seconds_or_until_a_date() -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=9), usegmt=True)
    asked = Asked(
        Fault(status=429, headers={"Retry-After": "7"}),
        Fault(status=503, headers={"Retry-After": at}),
        Fault(status=503, headers={"Retry-After": "soon"}),
    )
    asked.reply()
    assert asked.pauses[0] == 7.0
    assert 6.0 < asked.pauses[1] <= 9.0
    assert asked.pauses[2] == 2.0


def test_tries_are_bounded_by_number() -> None:
    asked = Asked(*[Fault(status=503, body=b'{"error": "busy"}')] * 9)
    assert "failed 4 times, at last: HTTP 503: busy" in asked.error(Patience(tries=4))
    assert len(asked.engine.requests) == 4


def test_tries_are_bounded_by_the_sum_of_pauses() -> None:
    asked = Asked(Fault(status=429, headers={"Retry-After": "3600"}))
    assert "failed once, at last: HTTP 429" in asked.error()
    assert asked.pauses == []


@pytest.mark.parametrize(
    "faults", [[Fault(status=503)] * 9, [Fault(status=429, headers={"Retry-After": "59"})] * 9]
)
def test_a_request_takes_no_longer_than_its_patience_says(faults: list[Fault]) -> None:
    patience = Patience(tries=4, total_seconds=120.0)
    asked = Asked(*faults, timeout=5.0)
    asked.error(patience)
    asking = len(asked.engine.requests) * asked.timeout
    assert sum(asked.pauses) + asking <= patience.longest_seconds(asked.timeout) == 140.0


@pytest.mark.parametrize("cut", ["reset", "half"])
def test_a_broken_connection_or_half_a_reply_is_tried_again(cut: str) -> None:
    asked = Asked(Fault(cut=cut))
    assert asked.reply()["model"] == "model"
    assert len(asked.engine.requests) == 2


def test_a_reply_that_does_not_come_in_time_is_not_tried_again() -> None:
    asked = Asked(Fault(seconds=1.0), timeout=0.1)
    began = time.monotonic()
    assert "item one: no whole reply within 0.1 s" in asked.error()
    assert len(asked.engine.requests) == 1
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("body", "told"),
    [(b"{not json", "is not JSON: {not json"), (b"[1, 2]", "is not a JSON object: [1, 2]")],
)
def test_a_reply_that_is_no_json_object_is_an_error_that_shows_it(body: bytes, told: str) -> None:
    asked = Asked(Fault(body=body))
    assert told in asked.error()
    assert len(asked.engine.requests) == 1


def test_a_long_reply_is_shown_in_part() -> None:
    assert len(Asked(Fault(body=b"x" * 100_000)).error()) < 600


def test_the_key_is_sent_and_never_told() -> None:
    asked = Asked(
        Fault(status=401, body=b'{"error": {"message": "Incorrect API key: sk-secret-1"}}'),
        key="sk-secret-1",
    )
    error = asked.error()
    assert asked.engine.keys == ["Bearer sk-secret-1"]
    assert "Incorrect API key: ***" in error
    assert "sk-secret-1" not in error


def test_a_server_that_has_ended_is_told_instead_of_being_asked_again() -> None:
    asked = Asked(Fault(cut="reset"))
    asked.death = WorkerError("llama-server was killed by SIGKILL")
    with pytest.raises(WorkerError, match="killed by SIGKILL"):
        asked.reply()
    assert len(asked.engine.requests) == 1


def test_nobody_at_the_address_is_an_error_that_names_it() -> None:
    client = ServerClient(
        Endpoint(url="http://127.0.0.1:9", timeout_seconds=1.0, connections=1),
        patience=Patience(tries=2),
        pause=lambda _: None,
    )
    with pytest.raises(ServiceError, match=r"http://127.0.0.1:9: .*failed 2 times"):
        client.get("/v1/models", "the models")
    assert not client.ready()
    client.close()


def test_a_path_that_is_not_there_is_none_where_it_may_be_missing() -> None:
    with fake_server(FakeEngine()) as url:
        client = ServerClient(Endpoint(url=url, timeout_seconds=5.0, connections=1))
        assert client.get("/version", "the version") is None
        assert client.post_if_there("/tokenize", {"content": "x"}, "tokens") is None
        assert client.ready()
        client.close()


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "foo://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(InputError, match="the proxy that the environment names") as caught:
        ServerClient(Endpoint(url="http://desk.example", timeout_seconds=1.0, connections=1))
    assert "NO_PROXY" in str(caught.value.next_step)


def test_a_certificate_that_nobody_vouches_for_is_told_at_once_and_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    with fake_server(FakeEngine(), certificate) as url:
        endpoint = Endpoint(url=url, timeout_seconds=5.0, connections=1)
        with (
            closing(ServerClient(endpoint)) as client,
            pytest.raises(ServiceError, match="certificate verify failed") as caught,
        ):
            client.post("/v1/completions", BODY, "item one")
        assert "SSL_CERT_FILE" in str(caught.value.next_step)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with closing(ServerClient(endpoint)) as client:
            assert client.post("/v1/completions", BODY, "item one")["model"] == "model"
