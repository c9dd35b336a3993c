"""Releases on a hub, followed by command and on a schedule, with the real tools."""

import json
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.support.builds.road import Road, make_road
from tests.support.project import EXAMPLE, PROJECT
from tests.support.servers.hub import HubServer

pytestmark = pytest.mark.integration


def checkpoint_files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (EXAMPLE / "checkpoint").iterdir()}


def follow(folder: Path) -> tuple[Road, Path]:
    road = make_road(folder, ("Q8_0",), items_a_slice=4)
    watch_list = folder / "releases.yaml"
    watch_list.write_text("follow:\n  - model: acme/support-llama\n    build: build.yaml\n")
    return road, watch_list


def watch(road: Road, watch_list: Path, hub: HubServer) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        road.command("watch", "--once", "--list", str(watch_list)),
        cwd=PROJECT,
        env=road.environment | {"HF_ENDPOINT": hub.endpoint},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_a_new_revision_on_a_hub_is_built_exactly_once_also_when_the_registry_is_away_meanwhile(
    tmp_path: Path,
) -> None:
    road, watch_list = follow(tmp_path)
    with HubServer() as hub:
        first = hub.publish("acme/support-llama", checkpoint_files())
        road = replace(road, variables=(*road.variables, ("HF_ENDPOINT", hub.endpoint)))
        said = watched_with_locked_registry(road, watch_list)
        assert f"acme/support-llama@{first[:12]}: postponed" in said, said
        built = watch(road, watch_list, hub)
        assert built.returncode in (0, 11), built.stderr
        assert f"acme/support-llama@{first[:12]}: done" in built.stderr
        assert "nothing new" in watch(road, watch_list, hub).stderr

        fetched = dict(hub.served_bytes)
        card = {"README.md": b"the same weights, another card"}
        second = hub.publish("acme/support-llama", checkpoint_files() | card)
        again = watch(road, watch_list, hub)
        assert f"acme/support-llama@{second[:12]}: skipped: changed: README.md" in again.stderr
        assert hub.served_bytes == fetched, "nothing is fetched for a card"


def watched_with_locked_registry(road: Road, watch_list: Path) -> str:
    """Look once; the registry's database is locked by somebody from the first unit on."""
    said = []
    road.store.mkdir()
    with (
        road.start("watch", "--once", "--list", str(watch_list)) as process,
        closing(sqlite3.connect(road.store / "mlflow.db", isolation_level=None)) as database,
    ):
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if line.startswith("build:") and "done" not in line:
                database.execute("BEGIN EXCLUSIVE")
    return "".join(said)


def test_a_hub_that_does_not_answer_is_one_message_and_a_later_look_succeeds(
    tmp_path: Path,
) -> None:
    road, watch_list = follow(tmp_path)
    with HubServer() as hub:
        hub.publish("acme/support-llama", checkpoint_files())
        hub.status = 503
        down = watch(road, watch_list, hub)
        assert down.returncode == 6
        assert "unreachable" in down.stderr
        assert "Traceback" not in down.stderr


def request(url: str, body: dict[str, object]) -> object:
    prepared = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    for _ in range(40):
        try:
            with urllib.request.urlopen(prepared, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:  # a busy database
                raise
            time.sleep(0.5)
    raise AssertionError(f"{url} stayed unavailable")


def test_the_same_look_is_served_on_a_cron_schedule(tmp_path: Path) -> None:
    watch_list = tmp_path / "releases.yaml"
    watch_list.write_text("follow: []\n")
    road = Road(folder=tmp_path, store=tmp_path / "store")
    serving = road.start(
        *("serve", "--list", str(watch_list), "--cron", "0 3 * * *", "--team", "acme"),
        *("--mlflow-port", "0"),
    )
    assert serving.stderr is not None
    try:
        api = ""
        for line in serving.stderr:
            if "runs are shown at " in line:
                api = line.strip().rpartition(" ")[2] + "/api"
                break
        assert api, "the server came up"
        deployment = wait_for_deployment(api)
        assert deployment["name"] == "acme-releases"
        elsewhere = replace(road, store=tmp_path / "elsewhere", prefect_api=api)
        clash = elsewhere.run("serve", "--list", str(watch_list), "--team", "acme")
        assert clash.returncode == 2, clash.stderr
        assert f"is the deployment of {watch_list} into {road.store} on" in clash.stderr
        schedules = deployment["schedules"]
        assert isinstance(schedules, list)
        assert schedules[0]["schedule"]["cron"] == "0 3 * * *"
        run = request(f"{api}/deployments/{deployment['id']}/create_flow_run", {})
        assert isinstance(run, dict)
        assert finished_state(api, str(run["id"])) == "COMPLETED"
    finally:
        stop(serving)


def stop(serving: "subprocess.Popen[str]") -> None:
    """End it as a service manager would."""
    serving.send_signal(signal.SIGTERM)
    try:
        _, rest = serving.communicate(timeout=45)
    except subprocess.TimeoutExpired:
        serving.kill()
        serving.communicate()
        raise
    assert serving.returncode == 143, rest
    assert "Traceback" not in rest and "Warning" not in rest, rest


def wait_for_deployment(api: str) -> dict[str, object]:
    for _ in range(240):
        found = request(f"{api}/deployments/filter", {})
        if isinstance(found, list) and found:
            deployment: dict[str, object] = found[0]
            return deployment
        time.sleep(0.5)
    raise AssertionError("no deployment appeared")


def finished_state(api: str, run_id: str) -> str:
    for _ in range(480):
        with urllib.request.urlopen(f"{api}/flow_runs/{run_id}", timeout=30) as answer:
            kind = str(json.load(answer)["state"]["type"])
        if kind in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            return kind
        time.sleep(0.5)
    return "never finished"
