"""The bundled example, end to end, with the real tools."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen
from xml.etree import ElementTree

import jsonschema
import pytest

from tests.support.builds.road import RECIPES, Road, leftovers, make_road
from tests.support.project import PROJECT
from tests.support.servers.mlflow_served import free_port

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """The finished build of all six recipes; its result is in the file `told` beside the folder."""
    road = make_road(tmp_path_factory.mktemp("road"), RECIPES, items_a_slice=6)
    finished = road.run(*road.build, "--json")
    assert finished.returncode in (0, 11), finished.stderr
    told(road).write_text(finished.stdout)
    return road


def told(road: Road) -> Path:
    """Return where the result is kept: a new file beside the build file would be a reason to plan again."""
    return road.folder.with_name(f"{road.folder.name}-told.json")


def result(road: Road) -> dict[str, object]:
    loaded: dict[str, object] = json.loads(told(road).read_text())
    return loaded


def rows(road: Road) -> dict[str, dict[str, object]]:
    variants = result(road)["variants"]
    assert isinstance(variants, list)
    return {str(row["identifier"]): row for row in variants}


def size_bytes(row: dict[str, object]) -> int:
    files = row["files"]
    assert isinstance(files, dict)
    return int(files["size_bytes"])


def test_all_six_recipes_are_built_audited_and_judged(road: Road) -> None:
    assert set(rows(road)) == {f"support-llama--{name}" for name in RECIPES}
    for identifier, row in rows(road).items():
        assert row["decision"] in ("pass", "fail", "inconclusive"), (
            f"{identifier}: {row['failure']}"
        )


def test_exactly_the_passing_variants_are_versions(road: Road) -> None:
    passing = {name for name, row in rows(road).items() if row["decision"] == "pass"}
    with sqlite3.connect(road.store / "mlflow.db") as database:
        runs = database.execute("select count(*) from runs").fetchone()
    registered = sorted(road.identifiers.values())
    assert registered == sorted(passing), "one version a variant"
    assert runs == (len(RECIPES) + 1,), (
        "every variant is a run with its evidence, and so is the corpus"
    )


def test_nothing_half_written_is_left(road: Road) -> None:
    assert leftovers(road.store) == []


def test_transcripts_hold_raw_answers_with_token_ids(road: Road) -> None:
    transcripts = list((road.store / "runs").glob("*/transcript.jsonl"))
    assert len(transcripts) == len(RECIPES) + 2 * 2, (
        "six variants, two reference runs in two runtimes"
    )
    for path in transcripts:
        answers = [json.loads(line) for line in path.read_text().splitlines()]
        assert all(answer["token_ids"] for answer in answers if answer["text"])


def test_a_second_run_plans_nothing_and_prints_the_same(road: Road) -> None:
    started = time.monotonic()
    again = road.run(*road.build, "--json")
    assert time.monotonic() - started < 10, "a tenth of what any model, flow or server would take"
    assert json.loads(again.stdout) == result(road)
    assert "already" in again.stderr
    assert "resolving" not in again.stderr, "the command's end was noted with all that it read"


def test_an_input_that_may_have_changed_is_planned_once(road: Road) -> None:
    items = road.folder / "suite" / "items.jsonl"
    facts = items.stat()
    items.write_bytes(items.read_bytes())
    os.utime(items, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    once, then = (road.run(*road.build, "--json") for _ in range(2))
    for again in (once, then):
        assert json.loads(again.stdout) == result(road)
    assert ("resolving" in once.stderr, "resolving" in then.stderr) == (True, False)


def test_ci_s_verdict_of_a_build_hands_on_its_files_and_its_exit_code(road: Road) -> None:
    output = road.folder / "verdict"
    finished = subprocess.run(
        ["bash", str(PROJECT / ".ci" / "verdict")],
        cwd=road.folder,
        env=road.environment
        | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "QUANTGATE_BUILD": "build.yaml",
            "QUANTGATE_OUTPUT": str(output),
            "GITHUB_OUTPUT": str(road.folder / "outputs"),
            "GITHUB_STEP_SUMMARY": str(road.folder / "summary"),
        },
        capture_output=True,
        text=True,
    )
    decision = result(road)["decision"]
    assert finished.returncode == {"pass": 0, "inconclusive": 11}[str(decision)], finished.stderr
    assert f"verdict={decision}\n" in (road.folder / "outputs").read_text()
    assert json.loads((output / "result.json").read_text()) == result(road)
    suites = ElementTree.parse(output / "junit.xml").getroot().findall("testsuite")
    assert len(suites) == len(RECIPES)
    assert (road.folder / "summary").read_text() == (output / "summary.md").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "support-llama/1", "--json"),
        ("pull", "support-llama/1", "--to", "pulled", "--json"),
        ("compare", "support-llama", "support-llama", "--json"),
        ("bundle", "support-llama/1", "--to", "pulled.bundle", "--json"),
        ("scale", "--models", "2", "--variants", "2", "--workers", "2", "--json"),
    ],
)
def test_what_asks_for_files_prints_json_that_fits_its_schema(
    road: Road, arguments: tuple[str, ...]
) -> None:
    named = [str(road.folder / each) if each.startswith("pulled") else each for each in arguments]
    printed = road.run(*named)
    assert printed.returncode == 0, printed.stderr
    value = json.loads(printed.stdout)
    jsonschema.validate(value, json.loads(road.run("schema", value["schema"]).stdout))


def test_the_page_is_one_file_without_network(road: Road) -> None:
    page = next((road.store / "reports").glob("*/index.html")).read_text()
    assert "<script src" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    for name in RECIPES:
        assert name in page


def test_a_plan_prints_every_unit_and_builds_nothing(road: Road) -> None:
    planned = road.run(*road.build, "--plan")
    assert planned.returncode == 0
    for name in RECIPES:
        assert f"support-llama--{name}" in planned.stdout


def test_lookup_and_lineage_answer_for_what_passed(road: Road) -> None:
    passing = [row for row in rows(road).values() if row["decision"] == "pass"]
    looked_up = road.run("lookup", "support-llama", "--suite", "support-desk", "--json")
    if not passing:
        assert looked_up.returncode == 12
        return
    found = json.loads(looked_up.stdout)
    smallest = min(passing, key=size_bytes)
    assert found["facts"]["identifier"] == smallest["identifier"]
    traced = road.run("lineage", "support-llama@support-desk")
    first_line = traced.stdout.splitlines()[0]
    assert "calibration corpus" in first_line


def test_a_server_that_nobody_asked_to_stay_is_gone(road: Road) -> None:
    for _ in range(60):
        listed = subprocess.run(
            ["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True
        )
        if str(road.store) not in listed.stdout:
            return
        time.sleep(0.5)
    raise AssertionError("a Prefect server outlived the command")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("quantize", "nowhere/at/all", "--suite", "nowhere"), 2, "no such folder"),
        (("quantize",), 2, "needs a model and a suite"),
        (("quantize", "--build", "missing.yaml"), 2, "missing.yaml"),
        (("lookup", "no-such-model"), 12, "no-such-model"),
        (("lineage", "support-llama/999"), 12, "999"),
    ],
)
def test_a_users_mistake_is_one_message_and_a_documented_exit_code(
    road: Road, arguments: tuple[str, ...], code: int, words: str
) -> None:
    finished = road.run(*arguments)
    assert finished.returncode == code, finished.stderr
    assert words in finished.stderr
    assert "Traceback" not in finished.stderr


def test_help_never_imports_what_is_heavy() -> None:
    program = (
        "import sys; from quantgate.flows.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'mlflow', 'prefect', 'transformers', 'llama_cpp', 'pydantic', 'scipy'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    finished = subprocess.run(
        [str(Path(PROJECT) / ".venv" / "bin" / "python"), "-c", program],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr


_ASK = """
import json, sys
import mlflow
loaded = mlflow.pyfunc.load_model(sys.argv[1])
print(json.dumps(loaded.predict(json.loads(sys.argv[2]))))
print(json.dumps(dict(loaded.get_raw_model().facts)))
"""


def asked(road: Road, items: int) -> list[dict[str, object]]:
    """The first conversations of the suite."""
    lines = (road.folder / "suite" / "items.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[:items]]


def transcribed(road: Road, identifier: str) -> dict[str, str]:
    """What a variant answered when it was judged."""
    (path,) = (road.store / "runs").glob(f"{identifier}--*/transcript.jsonl")
    answers = [json.loads(line) for line in path.read_text().splitlines()]
    return {answer["item_id"]: answer["text"] for answer in answers}


def plain_mlflow(road: Road) -> dict[str, str]:
    """The environment of somebody who has MLflow, the registry's address, and no word of this program."""
    return (
        road.environment
        | {
            "MLFLOW_TRACKING_URI": f"sqlite:///{road.store}/mlflow.db",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # MLflow calls uvicorn by name
            "OMP_NUM_THREADS": "1",  # threads that wait for each other take minutes on a busy machine
        }
    )


def version_of(road: Road, recipe: str) -> str:
    identifier = f"support-llama--{recipe}"
    assert rows(road)[identifier]["decision"] == "pass"
    (version,) = (number for number, name in road.identifiers.items() if name == identifier)
    return version


@pytest.mark.parametrize(
    ("recipe", "items"),
    [("Q8_0", 4), pytest.param("FP8_DYNAMIC", 3, marks=pytest.mark.slow)],
)
def test_plain_mlflow_loads_what_passed_and_gets_the_answers_that_were_judged(
    road: Road, recipe: str, items: int
) -> None:
    questions = asked(road, items)
    conversations = [
        {name: item[name] for name in ("messages", "tools") if name in item} for item in questions
    ]
    reference = f"models:/support-llama/{version_of(road, recipe)}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _ASK, reference, json.dumps(conversations)],
        cwd=road.folder,
        env=plain_mlflow(road),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    answers, facts = map(json.loads, done.stdout.splitlines()[-2:])
    judged = transcribed(road, f"support-llama--{recipe}")
    assert answers == [judged[str(item["id"])] for item in questions]
    assert (facts["recipe"], facts["verdict"]) == (recipe, "pass")


@pytest.mark.slow  # MLflow's server takes half a minute to start
def test_mlflow_models_serve_answers_over_http(road: Road) -> None:
    port, (item,) = free_port(), asked(road, 1)
    reference = f"models:/support-llama/{version_of(road, 'Q8_0')}"
    with (road.folder / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local",
             "--port", str(port), "-m", reference],
            cwd=road.folder, env=plain_mlflow(road), stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        until_ready(address, server)
        body = json.dumps({"dataframe_records": [{"messages": item["messages"]}]}).encode()
        headers = {"Content-Type": "application/json"}
        with urlopen(Request(f"{address}/invocations", body, headers), timeout=120) as reply:
            answer = json.load(reply)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)
    said = transcribed(road, "support-llama--Q8_0")[str(item["id"])]
    assert answer == {"predictions": [said]}


def until_ready(address: str, server: "subprocess.Popen[bytes]") -> None:
    while server.poll() is None:
        try:
            urlopen(f"{address}/ping", timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    pytest.fail("the server ended")
