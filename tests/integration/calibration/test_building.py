"""`corpus build` with real children: killed and gone on with, twice at once, from a hub, in little memory."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.store import Store
from tests.benchmarks.measuring.processes import cost_of, cost_of_command
from tests.support.corpora import chat_rows, write_rows

pytestmark = pytest.mark.integration

FIRST, SECOND = "c0ffee" * 6 + "c0de", "decade" * 6 + "beef"
CARD = "---\nconfigs:\n- config_name: main\n  data_files:\n  - {split: train, path: data/train.csv}\n---\n"
SPEC = "name: demo\nsequences: 50\nsources: [{path: a.jsonl}]\n"


def command(spec: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "quantgate", "corpus", "build", str(spec), "--json", *more]


def environment(folder: Path, **more: str) -> dict[str, str]:
    return os.environ | {"QUANTGATE_STORE": str(folder / "store")} | more


def build(spec: Path, **more: str) -> JsonObject:
    done = subprocess.run(
        command(spec), env=environment(spec.parent, **more), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: JsonObject = json.loads(done.stdout)
    return found


def refusal(spec: Path, **more: str) -> tuple[int, str]:
    done = subprocess.run(
        command(spec), env=environment(spec.parent, **more), capture_output=True, text=True
    )
    return done.returncode, done.stderr


def spec_file(folder: Path, text: str = SPEC) -> Path:
    path = folder / "demo.yaml"
    path.write_text(text)
    return path


def large_file(path: Path, megabytes: int) -> None:
    """Write distinct rows of about a kilobyte."""
    filler = "Could you please tell me when my order will arrive? " * 18
    with path.open("w") as file:
        for number in range(megabytes * 1000):
            file.write(json.dumps({"text": f"{number} {filler}", "language": "en"}) + "\n")


def test_a_build_killed_again_and_again_goes_on_and_seals_the_same_bytes(tmp_path: Path) -> None:
    large_file(tmp_path / "a.jsonl", 200)  # four parts
    spec = spec_file(tmp_path)
    parts = tmp_path / "store" / "unfinished"
    finished: list[int] = []
    for wanted in (1, 2, 3):
        with subprocess.Popen(
            command(spec), env=environment(tmp_path), stderr=subprocess.PIPE
        ) as one:
            deadline = time.monotonic() + 120
            while len(list(parts.glob("*/x1-*/manifest.json"))) < wanted and one.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            one.send_signal(signal.SIGKILL)
        finished.append(len(list(parts.glob("*/x1-*/manifest.json"))))
    times = {path: path.stat().st_mtime_ns for path in parts.glob("*/x1-*/manifest.json")}
    assert finished == sorted(finished) and finished[0] >= 1
    assert times
    found = build(spec)
    again = build_corpus(load_corpus_spec(spec), Store(root=tmp_path / "other"))
    assert found["record"]["digest"] == again.digest  # type: ignore[index,call-overload]  # an object
    folder = Path(str(found["folder"]))
    for name in ("sequences.jsonl", "card.json", "card.md"):
        assert (folder / name).read_bytes() == (again.folder / name).read_bytes()
    assert not list(parts.iterdir())


def test_two_commands_at_once_are_one_version(tmp_path: Path) -> None:
    large_file(tmp_path / "a.jsonl", 20)
    spec = spec_file(tmp_path)
    running = [
        subprocess.Popen(command(spec), env=environment(tmp_path), stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    found = [json.loads(one.communicate()[0]) for one in running]
    assert {one["corpus"] for one in found} == {"demo@1"}
    assert len({one["record"]["digest"] for one in found}) == 1


def test_parquet_is_read_by_a_child_as_the_same_rows_in_lines(tmp_path: Path) -> None:
    rows = chat_rows(500)
    write_rows(tmp_path / "a.jsonl", rows)
    table = pyarrow.Table.from_pylist(rows)
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=100)
    lines = build(spec_file(tmp_path))
    tables = build(spec_file(tmp_path, SPEC.replace("a.jsonl", "a.parquet")))
    assert tables["corpus"] == lines["corpus"] == "demo@1"


@pytest.mark.parametrize("ending", ["jsonl", "txt", "csv"])
def test_a_line_of_three_hundred_megabytes_is_refused_in_little_memory(
    tmp_path: Path, ending: str
) -> None:
    with (tmp_path / f"a.{ending}").open("wb") as file:
        file.write(b'{"text": "' if ending == "jsonl" else b"text\n")
        for _ in range(300):
            file.write(b"x" * 1_000_000)
    spec = spec_file(tmp_path, SPEC.replace("a.jsonl", f"a.{ending}"))
    found: list[tuple[int, str]] = []
    cost = cost_of(lambda: found.append(refusal(spec)))
    ((code, said),) = found
    assert code == 2
    assert "is longer than 16 MiB" in said
    assert f"a.{ending}" in said
    assert cost.peak_bytes < 400e6


def test_a_build_takes_no_more_memory_for_more_rows(tmp_path: Path) -> None:
    peaks = []
    for megabytes in (30, 300):
        large_file(tmp_path / "a.jsonl", megabytes)
        log = tmp_path / "log"
        peaks.append(
            cost_of_command(command(spec_file(tmp_path)), log, environment(tmp_path)).peak_bytes
        )
    assert max(peaks) < 700e6
    assert peaks[1] < peaks[0] + 150e6


class Hub(BaseHTTPRequestHandler):
    """One dataset with a branch that moves, as far as the `datasets` package asks for it."""

    protocol_version = "HTTP/1.1"
    asked: list[str]
    commits: dict[str, bytes]
    main: list[str]

    def log_message(self, *_: object) -> None:
        """Keep the test output quiet."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        self.asked.append(self.path)
        path = self.path.partition("?")[0]
        commit = next((one for one in self.commits if one in path), self.main[0])
        files = {"README.md": CARD.encode(), "data/train.csv": self.commits[commit]}
        name = path.partition(f"/resolve/{commit}/")[2]
        if path.startswith("/api/datasets/org/name/tree/"):
            inside = path.rpartition("/")[2]
            entries = [
                {"type": "file", "path": file, "size": len(content), "oid": "0" * 40}
                for file, content in files.items()
                if file.startswith(f"{inside}/")
            ]
            self._send(json.dumps(entries).encode(), commit, with_body)
        elif path.startswith("/api/datasets/org/name"):
            siblings = [{"rfilename": file} for file in files]
            found = {"id": "org/name", "sha": commit, "private": False, "siblings": siblings}
            self._send(json.dumps(found).encode(), commit, with_body)
        elif name in files:
            self._send(files[name], commit, with_body)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound" if name else "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _send(self, content: bytes, commit: str, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)


@pytest.fixture
def hub() -> Iterator[type[Hub]]:
    bound = type("Bound", (Hub,), {"asked": [], "main": [FIRST], "commits": {}})
    bound.commits = {  # type: ignore[attr-defined]  # a class made here
        FIRST: b"prompt,response\nWhere is it?,Here.\nWhen?,Now.\n",
        SECOND: b"prompt,response\nWhere is it?,There.\nWhen?,Now.\n",
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), bound)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    bound.endpoint = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
    yield bound
    server.shutdown()
    server.server_close()
    thread.join()


HUB_SPEC = "name: demo\nsequences: 2\nsources: [{hub: org/name@main, config: main}]\n"


def test_a_branch_that_moves_is_another_version_and_a_commit_is_never_asked_for_twice(
    tmp_path: Path, hub: type[Hub]
) -> None:
    endpoint: str = hub.endpoint  # type: ignore[attr-defined]  # set by the fixture
    first = build(spec_file(tmp_path, HUB_SPEC), HF_ENDPOINT=endpoint)
    card: JsonObject = first["card"]  # type: ignore[assignment]  # an object
    assert card["sources"][0]["commit"] == FIRST  # type: ignore[index,call-overload]
    hub.main[0] = SECOND
    moved = build(spec_file(tmp_path, HUB_SPEC), HF_ENDPOINT=endpoint)
    assert (first["corpus"], moved["corpus"]) == ("demo@1", "demo@2")
    assert moved["record"]["moved"] == [  # type: ignore[index,call-overload]
        {"name": "org/name@main", "before": FIRST, "now": SECOND}
    ]
    hub.asked.clear()
    pinned = build(
        spec_file(tmp_path, HUB_SPEC.replace("@main", f"@{FIRST}")), HF_ENDPOINT=endpoint
    )
    assert pinned["corpus"] == "demo@1"
    assert hub.asked == []


def test_a_hub_that_does_not_answer_or_lacks_the_split_is_one_error(
    tmp_path: Path, hub: type[Hub]
) -> None:
    code, said = refusal(spec_file(tmp_path, HUB_SPEC), HF_ENDPOINT="http://127.0.0.1:9")
    assert code == 6
    assert "Traceback" not in said
    endpoint: str = hub.endpoint  # type: ignore[attr-defined]  # set by the fixture
    wrong = HUB_SPEC.replace("config: main", "config: main, split: nope")
    code, said = refusal(spec_file(tmp_path, wrong), HF_ENDPOINT=endpoint)
    assert code == 2
    assert "nope" in said and "in the corpus's spec" in said


def test_a_disk_without_room_is_one_error_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    large_file(tmp_path / "a.jsonl", 2)
    spec = spec_file(tmp_path, SPEC.replace("50", "1500"))
    room = "import resource, sys, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000)); "
    program = (
        room
        + "sys.argv = ['quantgate', *sys.argv[1:]]; runpy.run_module('quantgate', run_name='__main__')"
    )
    arguments = [sys.executable, "-c", program, "corpus", "build", str(spec)]
    done = subprocess.run(arguments, env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 4, done.stderr
    assert "the disk is full" in done.stderr
    assert not list((tmp_path / "store").rglob("*staging*"))
    assert build(spec)["corpus"] == "demo@1"
