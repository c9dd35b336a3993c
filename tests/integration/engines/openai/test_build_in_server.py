"""A whole build whose variants are judged in llama-server: what ships is asked where it is served."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.builds.road import Road, leftovers, make_road, orchestrated
from tests.support.llamacpp.oracles import oracle

pytestmark = pytest.mark.integration

SERVERS = """judge_in: desk
servers:
  desk:
    engine: llama-server
    formats: [gguf]
    device: cpu
    concurrency: 4
    command: >-
      {program} --model {{model}} --host 127.0.0.1 --port {{port}} --threads {{threads}}
      --parallel {{slots}} --ctx-size {{total_context}} --no-kv-unified
      --cache-type-k {{kv}} --cache-type-v {{kv}} --offline --no-ui
"""


@contextmanager
def ports_in_use(folder: Path) -> Iterator[set[frozenset[str]]]:
    """Look every moment which ports servers of files in a folder have; yields all that was seen."""
    seen, done = {frozenset[str]()}, threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            seen.add(frozenset(_ports(str(folder))))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def _ports(folder: str) -> Iterator[str]:
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # no process, or one that has ended
            continue
        if Path(words[0]).name == "llama-server" and any(word.startswith(folder) for word in words):
            yield words[words.index("--port") + 1]


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    road = make_road(tmp_path_factory.mktemp("served"), ("Q8_0", "TQ2_0"), items_a_slice=4)
    road = orchestrated(road)
    with (road.folder / "build.yaml").open("a") as build:
        build.write(SERVERS.format(program=oracle("llama-server")))
    return road


def test_a_build_judged_in_a_server_says_so_and_is_found_by_it(road: Road) -> None:
    with ports_in_use(road.store / "variants") as ports:
        two_at_once = replace(
            road, variables=(("QUANTGATE_WORKERS", "2"), ("QUANTGATE_THREADS", "1"))
        )
        finished = two_at_once.run(*road.build, "--json")
    assert finished.returncode in (0, 11), finished.stderr
    assert max(map(len, ports)) == 2, (
        "the servers of both variants were up at once, each at its port"
    )
    rows = {row["identifier"]: row for row in json.loads(finished.stdout)["variants"]}
    assert rows["support-llama--Q8_0"]["decision"] == "pass"
    assert rows["support-llama--TQ2_0"]["decision"] == "fail"
    runs = [json.loads(path.read_text()) for path in (road.store / "runs").glob("*/manifest.json")]
    engines = {run["record"]["plan"]["contract"]["runtime"]["engine"] for run in runs}
    assert engines == {"llama-server"}, "the base answers where its variants do"
    assert len(runs) == 2 + 2, "two variants, two runs of the base"
    found = road.run("lookup", "support-llama", "--suite", "support-desk", "--json")
    assert json.loads(found.stdout)["facts"]["runtime"]["engine"] == "llama-server"
    assert leftovers(road.store) == []


def test_a_server_that_does_not_start_is_one_message_in_the_servers_words(road: Road) -> None:
    build = road.folder / "broken.yaml"
    spec = (road.folder / "build.yaml").read_text()
    build.write_text(
        spec.replace("--offline", "--no-such-option").replace("support-llama", "other")
    )
    finished = road.run("quantize", "--build", str(build))
    assert finished.returncode not in (0, 11)
    said = finished.stdout + finished.stderr
    assert "no-such-option" in said, said
    assert "Traceback" not in said
