"""Built on one machine, used on another: a real variant through PostgreSQL, logins, proxied artifacts and S3.

The first machine builds while the registry is away (`--queue`) and registers later. The second one has a
store of its own, no file of the first, and the login in the address of the registry.
"""

import json
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.support.builds.road import Road, make_road, orchestrated
from tests.support.llamacpp.oracles import oracle
from tests.support.servers.mlflow_served import (
    ADMIN,
    PASSWORD,
    free_port,
    guarded_mlflow,
    postgresql,
)
from tests.support.servers.s3 import ObjectStore, object_store

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,  # a build, two servers and a database: two minutes
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

LOGIN = {"MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
CHAMPION = "support-llama@support-desk"


def with_variables(road: Road, variables: Mapping[str, str]) -> Road:
    return replace(road, variables=(*road.variables, *variables.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """Two machines; `build` is what the first one said when it had built while nobody answered at `port`."""

    first: Road
    second: Road
    port: int
    build: "subprocess.CompletedProcess[str]"

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def without_the_first(self) -> Iterator[None]:
        """Let no file of the first machine's store be there."""
        away = self.first.store.with_name("away")
        self.first.store.rename(away)
        try:
            yield
        finally:
            away.rename(self.first.store)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Machines:
    port = free_port()
    road = make_road(tmp_path_factory.mktemp("first"), ("Q8_0",), items_a_slice=6)
    road = orchestrated(road)
    first = with_variables(
        road, {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}", "QUANTGATE_WEIGHTS": "upload"}
    )
    folder = tmp_path_factory.mktemp("second")
    second = replace(
        road,
        folder=folder,
        store=folder / "store",
        variables=(
            ("HOME", str(folder)),
            ("MLFLOW_TRACKING_URI", f"http://{ADMIN}:{PASSWORD}@127.0.0.1:{port}/"),
            ("QUANTGATE_CACHE", str(folder / "cache")),
        ),
    )
    build = first.run(*first.build, "--queue")
    return Machines(first=first, second=second, port=port, build=build)


@pytest.fixture(scope="module")
def served(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The registry answers at last: PostgreSQL behind a server with logins, artifacts through it."""
    folder = tmp_path_factory.mktemp("served")
    with postgresql() as database, guarded_mlflow(folder, database=database, port=machines.port):
        yield


@pytest.fixture(scope="module")
def registered(machines: Machines, served: None) -> None:
    """What waited is registered, its weights sent along."""
    done = with_variables(machines.first, LOGIN).run("register", "--pending")
    assert done.returncode == 0, done.stderr
    assert "support-llama--Q8_0: version 1" in done.stdout


def test_what_passed_while_nobody_answered_waits_and_is_not_called_failed(
    machines: Machines,
) -> None:
    said = " ".join((machines.build.stdout + machines.build.stderr).split())
    assert machines.build.returncode == 13, said
    assert "Nothing passed" not in said
    assert "1 of them could not be registered: their evidence waits in the store" in said
    assert "Traceback" not in said
    assert len(list((machines.first.store / "pending").iterdir())) == 1


@pytest.mark.usefixtures("served")
def test_a_wrong_login_registers_nothing_and_all_waits_on(machines: Machines) -> None:
    wrong = with_variables(machines.first, LOGIN | {"MLFLOW_TRACKING_PASSWORD": "a-wrong-one"})
    done = wrong.run("register", "--pending")
    assert done.returncode == 13, done.stderr
    assert "still waits" in done.stdout and "401" in done.stdout
    assert "a-wrong-one" not in done.stdout + done.stderr
    assert len(list((machines.first.store / "pending").iterdir())) == 1


@pytest.mark.usefixtures("registered")
def test_the_build_is_complete_and_has_nothing_to_do(machines: Machines) -> None:
    again = with_variables(machines.first, LOGIN).run(*machines.first.build, "--json")
    assert again.returncode == 0, again.stderr
    rows = {row["identifier"]: row for row in json.loads(again.stdout)["variants"]}
    assert rows["support-llama--Q8_0"]["registered_version"] == "1"


@pytest.mark.usefixtures("registered")
def test_another_machine_finds_pulls_verifies_and_serves_it(machines: Machines) -> None:
    second = machines.second
    item, said = transcribed(machines.first)
    with machines.without_the_first():
        found = json.loads(second.run("lookup", "support-llama", "--json").stdout)
        assert not Path(found["facts"]["artifact"]).exists()
        refused = second.run("verify", CHAMPION)
        assert refused.returncode == 2
        assert "quantgate pull support-llama/1 --to FOLDER" in refused.stderr
        pulled = second.run("pull", CHAMPION, "--to", str(second.folder / "models"), "--json")
        assert pulled.returncode == 0, pulled.stderr
        held = json.loads(pulled.stdout)
        assert Path(held["artifact"]).is_relative_to(second.folder)
        assert PASSWORD not in pulled.stdout + pulled.stderr
        assert served_answer(held["command"], item) == said
        here = second.run("pull", CHAMPION, "--to", str(second.store / "variants"))
        assert here.returncode == 0, here.stderr
        verified = second.run("verify", CHAMPION)
        assert verified.returncode == 0, verified.stderr
        assert "every byte is as registered" in verified.stdout


@pytest.mark.usefixtures("registered")
def test_plain_mlflow_answers_there_with_nothing_but_the_login(machines: Machines) -> None:
    item, said = transcribed(machines.first)
    bare = replace(
        machines.second,
        variables=(
            *LOGIN.items(),
            ("HOME", str(machines.second.folder)),
            ("QUANTGATE_CACHE", str(machines.second.folder / "cache")),
            ("MLFLOW_TRACKING_URI", machines.uri),
        ),
        store=machines.second.folder / "no-store",
    )
    program = (
        "import json, sys, mlflow\n"
        f"model = mlflow.pyfunc.load_model('models:/{CHAMPION}')\n"
        "print(json.dumps(model.predict([json.loads(sys.argv[1])])))"
    )
    with machines.without_the_first():
        done = subprocess.run(
            [bare.command()[0], "-W", "ignore", "-c", program, json.dumps(item)],
            cwd=bare.folder, env=bare.environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [said]


@pytest.mark.usefixtures("registered")
def test_weights_in_an_object_store_are_pulled_from_there(machines: Machines) -> None:
    with object_store() as shelf:
        sending = with_variables(
            machines.first, {**LOGIN, **shelf.variables, "QUANTGATE_WEIGHTS": shelf.folder}
        )
        build = sending.run(*machines.first.build, "--name", "desk-on-s3", "--json")
        assert build.returncode == 0, build.stderr
        with machines.without_the_first():
            pulled = pulled_from(shelf, machines)
        assert pulled["version"]["facts"]["place"].startswith(f"{shelf.folder}/")
        assert Path(pulled["artifact"]).is_relative_to(machines.second.folder / "from-s3")


def pulled_from(shelf: ObjectStore, machines: Machines) -> dict[str, Any]:
    second = with_variables(machines.second, shelf.variables)
    to = str(second.folder / "from-s3")
    done = second.run("pull", "desk-on-s3@support-desk", "--to", to, "--json")
    assert done.returncode == 0, done.stderr
    held: dict[str, Any] = json.loads(done.stdout)
    return held


@pytest.mark.usefixtures("registered")
def test_a_bundle_of_the_real_build_is_judged_again_on_the_other_machine(
    machines: Machines,
) -> None:
    file = machines.second.folder / "desk.bundle"
    written = with_variables(machines.first, LOGIN).run("bundle", CHAMPION, "--to", str(file))
    assert written.returncode == 0, written.stderr
    alone = replace(machines.second, variables=(), store=machines.second.folder / "no-store")
    with machines.without_the_first():
        verified = alone.run("verify", str(file))
    assert verified.returncode == 0, verified.stderr
    assert "pass on support-desk@1, judged again from 3 transcripts" in verified.stdout


def transcribed(road: Road) -> tuple[dict[str, Any], str]:
    """The first question of the suite, as a caller would ask it, and what the variant answered."""
    line = (road.folder / "suite" / "items.jsonl").read_text().splitlines()[0]
    item = json.loads(line)
    (path,) = (road.store / "runs").glob("support-llama--Q8_0--*/transcript.jsonl")
    answers = [json.loads(line) for line in path.read_text().splitlines()]
    (said,) = (answer["text"] for answer in answers if answer["item_id"] == item["id"])
    return {"messages": item["messages"]}, said


def served_answer(command: str, item: dict[str, Any]) -> str:
    """What a server says that is started as `pull` says it is, with llama.cpp's own program."""
    port = free_port()
    program, *options = shlex.split(command)
    server = subprocess.Popen(
        [str(oracle(program)), *options, "--host", "127.0.0.1", "--port", str(port), "--offline"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until_ready(f"http://127.0.0.1:{port}/health", server)
        body = json.dumps({**item, "temperature": 0.0, "max_tokens": 64}).encode()
        headers = {"Content-Type": "application/json"}
        asked = Request(f"http://127.0.0.1:{port}/v1/chat/completions", body, headers)
        with urlopen(asked, timeout=120) as reply:
            return str(json.load(reply)["choices"][0]["message"]["content"])
    finally:
        server.terminate()
        server.wait(timeout=30)


def until_ready(address: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < deadline:
        try:
            urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)
    pytest.fail("the server did not start")
