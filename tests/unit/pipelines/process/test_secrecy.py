import base64
import io
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TextIO, cast
from urllib.parse import quote

import pytest

from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.domain.secrets import (
    Secret,
    option_is_secret,
    redacted,
    secret_values,
    variable_is_secret,
    without_values,
)
from quantgate.pipelines.engines.http.client import Endpoint
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.secrecy import HidingStream, TellingStream, hide_secrets
from quantgate.registry.tracking import Tracking

PASSWORD = "p@ss/w:rd-1"
ENCODED = quote(PASSWORD, safe="")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{ENCODED}@mlflow.example:5000")
    monkeypatch.setenv("DESK_API_KEY", "desk-k3y-value")


@pytest.mark.parametrize(
    "text",
    [
        f"API request to http://me:{ENCODED}@mlflow.example:5000/api failed",
        f"said {PASSWORD}",
        f"said {ENCODED.lower()}",
        f"Basic {base64.b64encode(f'me:{PASSWORD}'.encode()).decode()}",
        "model desk-k3y-value is not served",
        "{'Authorization': 'Bearer desk-k3y-value'}",
        '"desk-k3y-value"',
    ],
)
def test_values_of_this_machines_secrets_are_hidden_in_every_spelling(text: str) -> None:
    hidden = redacted(text)
    assert "***" in hidden
    for secret in (PASSWORD, ENCODED, ENCODED.lower(), "desk-k3y-value", "bWU6cEBzcy"):
        assert secret not in hidden


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("postgresql://me:other@db/x", "postgresql://me:***@db/x"),
        ("mysql+pymysql://me:a%40b@db/x", "mysql+pymysql://me:***@db/x"),
        ("http://user:p@ss@host/x", "http://user:***@host/x"),
        ("https://0123456789abcdef@git/x", "https://***@git/x"),
        ("http://h/x?token=abc&n=1", "http://h/x?token=***&n=1"),
        ("http://h/x?n=1&api_key=abc#top", "http://h/x?n=1&api_key=***#top"),
        ("s3://b/k?X-Amz-Signature=abc", "s3://b/k?X-Amz-Signature=***"),
        ("host=db password=abc dbname=x", "host=db password=*** dbname=x"),
        ('{"access_token": "abc", "n": 1}', '{"access_token": "***", "n": 1}'),
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("authorization=Basic YTpi", "authorization=Basic ***"),
        ("Incorrect key hf_abcdefghijklmnop", "Incorrect key ***"),
        ("Incorrect key sk-proj-abcdefgh12345678", "Incorrect key ***"),
    ],
)
def test_what_has_a_secrets_shape_is_hidden_whoevers_it_is(text: str, hidden: str) -> None:
    assert redacted(text) == hidden
    assert redacted(hidden) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "git@github.com:org/name.git",
        "ssh://git@github.com/org/name",
        "our prompt has 7 tokens and max_tokens=8",
        "Basic authentication is needed",
        "the Bearer of bad news",
        "scikit: sk-learn-contrib-extras",
        "org/name@main, mail@example.org",
        "sort key=3",
    ],
)
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert redacted(text) == text


def test_names_tell_secrets_from_settings() -> None:
    assert all(
        map(variable_is_secret, ("HF_TOKEN", "RACK_KEY", "PREFECT_API_AUTH_STRING", "PGPASSWORD"))
    )
    assert not any(
        map(variable_is_secret, ("TOKENIZERS_PARALLELISM", "MAX_TOKENS", "PWD", "KEYMAP"))
    )
    assert all(map(option_is_secret, ("api_key", "--api-key", "--hf-token", "password", "token")))
    assert not any(map(option_is_secret, ("max_tokens", "--tokenizer", "stop_token", "sort_key")))
    assert secret_values(
        {"X_TOKEN": "short", "Y_KEY": "/a/path/to/it", "Z_KEY": "long-enough"}
    ) == {"long-enough"}


def test_output_keeps_everyday_words_and_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_PASSWORD", "quantgate")
    answer = '{"page": "/home/quantgate", "answer": "http://a:b@c/?token=x"}'
    assert without_values(answer) == answer
    assert without_values(f"the {Secret('letteredsecret').reveal()}") == "the ***"
    assert without_values(f"key desk-k3y-value and {PASSWORD}") == "key *** and ***"


def test_every_error_is_redacted_where_it_is_made() -> None:
    error = ServiceError(
        "desk-k3y-value", where="http://me:abc@x", next_step="set token=abc", transient=True
    )
    assert str(error) == "http://me:***@x: ***\n  next: set token=***"
    assert error.args == ("***",)
    assert InputError("plain").where is None


def test_types_that_hold_secrets_do_not_show_them(tmp_path: Path) -> None:
    secret = Secret("quite-s3cret")
    assert (repr(secret), str(secret), f"{secret}") == ("Secret(***)",) * 3
    assert secret == Secret("quite-s3cret") and secret.reveal() == "quite-s3cret"
    endpoint = Endpoint(url="http://x", timeout_seconds=1.0, connections=1, api_key=secret)
    tracking = Tracking.resolve(Store(root=tmp_path))
    shown = [
        endpoint,
        tracking,
        HubSettings(token="quite-s3cret"),
        replace(tracking, artifact_root=None),
    ]
    assert not any("s3cret" in repr(one) or PASSWORD in repr(one) for one in shown)
    assert ENCODED not in repr(tracking)


def test_mlflow_gets_an_address_without_a_password_and_the_password_by_itself(
    tmp_path: Path,
) -> None:
    tracking = Tracking.resolve(Store(root=tmp_path))
    assert tracking.address == "http://mlflow.example:5000"
    assert tracking.login == {
        "MLFLOW_TRACKING_USERNAME": "me",
        "MLFLOW_TRACKING_PASSWORD": PASSWORD,
    }
    assert tracking.shown == "http://me:***@mlflow.example:5000"
    database = Tracking.resolve(Store(root=tmp_path), uri="postgresql://me:abc@db/x")
    assert (database.address, database.login) == ("postgresql://me:abc@db/x", {})
    assert database.shown == "postgresql://me:***@db/x"


class Process:
    """This process's streams and record factory, put back afterwards."""

    def __init__(self) -> None:
        self.streams = sys.stdout, sys.stderr
        self.factory = logging.getLogRecordFactory()

    def back(self) -> None:
        sys.stdout, sys.stderr = self.streams
        logging.setLogRecordFactory(self.factory)


def test_what_a_library_logs_is_redacted_before_any_handler_sees_it() -> None:
    process, told = Process(), io.StringIO()
    handler = logging.StreamHandler(told)
    logger = logging.getLogger("tests.secrets")
    logger.addHandler(handler)
    try:
        hide_secrets()
        hide_secrets()
        logger.warning("cannot reach %s", f"http://me:{ENCODED}@x")
        try:
            raise ValueError("token=abc of desk-k3y-value")
        except ValueError:
            logger.exception("it failed")
        logger.warning("%s of %d", "plain", 2)
    finally:
        process.back()
        logger.removeHandler(handler)
    said = told.getvalue()
    assert "cannot reach http://me:***@x" in said
    assert "ValueError: token=*** of ***" in said
    assert "plain of 2" in said
    assert not any(secret in said for secret in (ENCODED, "desk-k3y-value", "abc"))


def test_what_is_printed_holds_no_value() -> None:
    inner = io.StringIO()
    print("key", "desk-k3y-value", file=HidingStream(inner))
    assert inner.getvalue() == "key ***\n"


def test_it_is_no_failure_that_nobody_can_be_told() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed, Path("/dev/full").open("w") as full:
        for stream in (closed, full):
            telling = TellingStream(stream)
            for _ in range(2):
                print("answer: 3 of 4", file=cast("TextIO", telling), flush=True)
            with pytest.raises(OSError):
                print("a result", file=stream, flush=True)
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def test_who_wraps_the_factory_of_records_is_wrapped_once_more_and_nothing_calls_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = logging.getLogRecordFactory()
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    try:
        hide_secrets()
        hidden = logging.getLogRecordFactory()
        hide_secrets()
        assert logging.getLogRecordFactory() is hidden
        logging.setLogRecordFactory(lambda *args, **named: hidden(*args, **named))  # as Ray does
        hide_secrets()
        logging.getLogger("ray").warning("said %s", PASSWORD)
    finally:
        logging.setLogRecordFactory(plain)
    assert caplog.messages == ["said ***"]
