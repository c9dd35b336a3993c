"""An MLflow server asked over HTTP: its pages, its refusals, and whatever else may answer there."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.files.store import Store
from quantgate.registry.protocol import VersionQuery
from quantgate.registry.reading.login import LentLogin, authorization, tls_context
from quantgate.registry.reading.replies import RepliesReader
from quantgate.registry.reading.server import ServerRequests
from quantgate.registry.tracking import Tracking
from tests.support.servers.mlflow_replies import Replies, Reply, replying

ABSENT = Reply(status=404, body={"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"})


@pytest.fixture(autouse=True)
def no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def reader_of(served: Replies, address: str = "") -> RepliesReader:
    tracking = Tracking.resolve(Store(root=Path("/none")), uri=address or served.address)
    return RepliesReader(ServerRequests(tracking))


def version(number: int, **tags: str) -> dict[str, Any]:
    return {
        "name": "m",
        "version": str(number),
        "creation_timestamp": 1000 + number,
        "run_id": f"run{number}",
        "tags": [{"key": key, "value": text} for key, text in tags.items()],
        "aliases": ["desk"],
    }


def test_filters_are_asked_of_the_server_and_its_pages_followed_to_the_end() -> None:
    pages = [
        Reply(body={"model_versions": [version(3), version(2)], "next_page_token": "two"}),
        Reply(body={"model_versions": [version(1)]}),
    ]
    with replying({"model-versions/search": pages}) as served:
        query = VersionQuery(
            model="it's", tags={"verdict": "pass"}, other_tags={"suite_name": ("desk",)}
        )
        versions = reader_of(served).versions(query)
    assert [each.number for each in versions] == ["3", "2", "1"]
    first, second = (asked.query for asked in served.asked)
    assert first["filter"] == (
        "name = \"it's\" and tags.`verdict` = 'pass' and tags.`suite_name` != 'desk'"
    )
    assert first["order_by"] == "version_number DESC"
    assert "page_token" not in first
    assert second["page_token"] == "two"


def test_a_limit_is_the_servers_page_and_ends_the_asking() -> None:
    page = Reply(body={"model_versions": [version(3)], "next_page_token": "more"})
    with replying({"model-versions/search": page}) as served:
        assert len(reader_of(served).versions(VersionQuery(model="m", limit=1))) == 1
    assert [asked.query["max_results"] for asked in served.asked] == ["1"]


def test_a_version_comes_with_tags_aliases_and_its_time() -> None:
    reply = Reply(body={"model_version": version(3, verdict="pass")})
    with replying({"registered-models/alias": reply, "model-versions/get": reply}) as served:
        by_alias = reader_of(served).alias_version("m", "desk")
        assert by_alias == reader_of(served).version("m", "3")
    assert by_alias is not None
    assert (by_alias.tags, by_alias.aliases, by_alias.created_ms) == (
        {"verdict": "pass"}, ("desk",), 1003,
    )  # fmt: skip


def test_what_is_not_there_is_no_error() -> None:
    no_alias = {
        "error_code": "INVALID_PARAMETER_VALUE",
        "message": "Registered model alias desk not found.",
    }
    routes = {
        "registered-models/alias": Reply(status=400, body=no_alias),
        "model-versions/get": ABSENT,
        "registered-models/get": ABSENT,
        "experiments/get-by-name": ABSENT,
        "runs/get": ABSENT,
    }
    with replying(routes) as served:
        reader = reader_of(served)
        assert reader.alias_version("m", "desk") is reader.version("m", "1") is None
        assert reader.aliases("m") is None
        assert reader.tagged_runs("corpora/c", {"kind": "drift"}) == ()
        assert reader.run_tags("r") == {}
        assert reader.run_file("r", "verdict.json") is None


def test_names_that_begin_alike_are_asked_for_then_any() -> None:
    nothing, names = Reply(body={}), Reply(body={"registered_models": [{"name": "other"}]})
    with replying({"registered-models/search": [nothing, names]}) as served:
        assert reader_of(served).model_names("support-llama") == ("other",)
    assert served.asked[0].query["filter"] == "name ILIKE 'suppor%'"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(status=401, body=b"You are not authenticated"), "refused the login (401)"),
        (Reply(status=403, body={"error_code": "PERMISSION_DENIED", "message": "no"}),
         "MLflow refused: this login may not do that (403: no)"),
        (Reply(status=404, body=b"<html>"), "this is no MLflow server (404"),
        (Reply(status=500, body={"error_code": "INTERNAL_ERROR", "message": "db\nis away"}),
         "MLflow failed (500: db is away)"),
        (Reply(body=b"<html>Welcome</html>"), "is not MLflow's"),
        (Reply(body=["a", "list"]), "is not MLflow's"),
        (Reply(body={"registered_model": "text"}), "is not MLflow's"),
    ],
)  # fmt: skip
def test_every_refusal_is_one_line_that_says_what_to_do(reply: Reply, words: str) -> None:
    with (
        replying({"registered-models/get": reply}) as served,
        pytest.raises(ServiceError) as caught,
    ):
        reader_of(served).aliases("m")
    assert words in caught.value.what
    assert "\n" not in caught.value.what
    assert caught.value.where == served.address
    assert caught.value.next_step
    assert caught.value.transient is (reply.status == 500)


def test_a_server_that_is_busy_is_asked_again() -> None:
    busy = Reply(status=503, body=b"later")
    held = Reply(body={"registered_model": {"name": "m", "aliases": []}})
    with replying({"registered-models/get": [busy, held]}) as served:
        assert reader_of(served).aliases("m") == {}
    assert len(served.asked) == 2


def test_a_login_follows_to_no_other_host() -> None:
    held = Reply(body={"registered_model": {"name": "m"}})
    with replying({"registered-models/get": held}) as other:
        elsewhere = other.address.replace("127.0.0.1", "localhost")
        target = f"{elsewhere}/api/2.0/mlflow/registered-models/get"
        moved = Reply(status=302, body=b"", headers={"Location": target})
        with replying({"registered-models/get": moved}) as served:
            address = served.address.replace("http://", "http://user:secret-word@")
            with pytest.raises(ServiceError, match="this is no MLflow server"):
                reader_of(served, address).aliases("m")
        assert other.asked == []


def test_nobody_listening_is_transient_and_said_at_once() -> None:
    tracking = Tracking.resolve(Store(root=Path("/none")), uri="http://127.0.0.1:9")
    with pytest.raises(ServiceError, match="MLflow does not answer") as caught:
        RepliesReader(ServerRequests(tracking)).aliases("m")
    assert caught.value.transient
    assert "correct MLFLOW_TRACKING_URI" in str(caught.value)


def test_a_login_is_the_addresses_then_the_environments_then_that_of_mlflows_file(
    tmp_path: Path,
) -> None:
    def basic(text: str) -> dict[str, str]:
        return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}

    named = {
        "MLFLOW_TRACKING_USERNAME": "ann",
        "MLFLOW_TRACKING_PASSWORD": "p",
        "HOME": str(tmp_path),
    }
    assert authorization("http://bob:q%40@x", named) == basic("bob:q@")
    assert authorization("http://x", named) == basic("ann:p")
    assert authorization("http://x", {"MLFLOW_TRACKING_TOKEN": "t"}) == {
        "Authorization": "Bearer t"
    }
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow" / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = eve\nmlflow_tracking_password = 100%\n"
    )
    assert authorization("http://x", {"HOME": str(tmp_path)}) == basic("eve:100%")
    assert authorization("http://x", {}) == {}


def test_a_login_that_another_address_lent_to_mlflow_is_sent_to_nobody_else_and_leaves_no_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user, password = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
    monkeypatch.setenv(user, "mine")
    monkeypatch.delenv(password, raising=False)
    lent = LentLogin()
    monkeypatch.setattr("quantgate.registry.reading.login.LENT", lent)
    lent.lend({user: "eve", password: "word"})
    assert (os.environ[user], os.environ[password]) == ("eve", "word")
    assert authorization("http://x") == {}
    assert "Authorization" in authorization("http://x", {user: "ann", password: "p"})
    lent.lend({})
    assert os.environ[user] == "mine"
    assert password not in os.environ


def test_certificates_are_those_that_mlflows_variables_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no certificates"):
        tls_context({"MLFLOW_TRACKING_SERVER_CERT_PATH": str(tmp_path / "none.pem")})
    with pytest.raises(InputError, match="names no client certificate"):
        tls_context({"MLFLOW_TRACKING_CLIENT_CERT_PATH": str(tmp_path / "none.pem")})
    assert tls_context({}).check_hostname
    assert not tls_context({"MLFLOW_TRACKING_INSECURE_TLS": "true"}).check_hostname


def test_a_workspace_is_named_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team-a")
    held = Reply(body={"registered_model": {"name": "m"}})
    with replying({"registered-models/get": held}) as served:
        reader_of(served).aliases("m")
    sent = {name.lower(): text for name, text in served.asked[0].headers.items()}
    assert sent["x-mlflow-workspace"] == "team-a"


def test_runs_are_searched_by_a_post_with_a_filter() -> None:
    run = {"info": {"run_id": "r"}, "data": {"tags": [{"key": "kind", "value": "drift"}]}}
    routes = {
        "experiments/get-by-name": Reply(body={"experiment": {"experiment_id": "7"}}),
        "runs/search": Reply(body={"runs": [run]}),
    }
    with replying(routes) as served:
        (found,) = reader_of(served).tagged_runs("corpora/c", {"kind": "drift"})
    assert (found.id, found.tags) == ("r", {"kind": "drift"})
    assert json.loads(json.dumps(served.asked[1].body)) == {
        "experiment_ids": ["7"],
        "filter": "tags.`kind` = 'drift' and attributes.status = 'FINISHED'",
        "order_by": ["attributes.start_time DESC"],
        "max_results": 1000,
    }
