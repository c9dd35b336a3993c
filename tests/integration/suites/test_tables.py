"""Suites whose items stand in a parquet file, or in a dataset on a hub, read by the real child process."""

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import table_reader
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.hub.table_source import ReadTable, TableSource
from quantgate.pipelines.suites.load import load_suite

pytestmark = pytest.mark.integration

COMMIT = "c0ffee" * 6 + "c0de"
CARD = "---\nconfigs:\n- config_name: main\n  data_files:\n  - {split: test, path: data/test.csv}\n---\n"
FILES = {
    "README.md": CARD.encode(),
    "data/test.csv": b"task,question,answer\na,2+2?,four\nb,3+3?,six\n",
}
SUITE = """\
name: demo
version: 1
grader: exact
decode: {max_tokens: 8}
slices: {easy: {}, hard: {}}
"""


class Hub(BaseHTTPRequestHandler):
    """One dataset, as far as the `datasets` package asks for it."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def log_message(self, *_: object) -> None:
        """Keep the test output quiet."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        self.asked.append(self.path)
        path = self.path.partition("?")[0]
        name = path.partition(f"/resolve/{COMMIT}/")[2]
        if path.startswith("/api/datasets/org/name/tree/"):
            folder = path.rpartition("/")[2]
            entries = [
                {"type": "file", "path": file, "size": len(content), "oid": "0" * 40}
                for file, content in FILES.items()
                if file.startswith(f"{folder}/")
            ]
            self._send(json.dumps(entries).encode(), with_body)
        elif path.startswith("/api/datasets/org/name"):
            siblings = [{"rfilename": file} for file in FILES]
            found = {"id": "org/name", "sha": COMMIT, "private": False, "siblings": siblings}
            self._send(json.dumps(found).encode(), with_body)
        elif name in FILES:
            self._send(FILES[name], with_body)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound" if name else "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _send(self, content: bytes, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def read_table(tmp_path: Path, asked: list[str]) -> Iterator[ReadTable]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Hub,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    hub = HubSettings(endpoint=f"http://127.0.0.1:{server.server_address[1]}")
    store = Store(root=tmp_path / "store")
    yield table_reader(replace(Settings.from_environment({}), store=store, hub=hub))
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_parquet_file_is_read_once_for_each_content(
    tmp_path: Path, read_table: ReadTable
) -> None:
    write_parquet(tmp_path / "rows.parquet", question="2+2?")
    (tmp_path / "suite.yaml").write_text(
        f"{SUITE}items:\n  path: rows.parquet\n"
        "  fields: {id: task, messages: chat, expected: answer.text, slices: [level, tags]}\n"
    )
    suite = load_suite(tmp_path, read_table)
    assert [item.id for item in suite.items] == ["1", "2"]
    assert suite.items[0].messages[0].content == "2+2?"
    assert suite.items[0].slices == ("easy", "hard")
    assert (suite.items[0].expected, suite.items[1].slices) == ("4", ("hard",))
    sealed = read_table(TableSource(path=tmp_path / "rows.parquet"))
    assert read_table(TableSource(path=tmp_path / "rows.parquet")) == sealed
    write_parquet(tmp_path / "rows.parquet", question="what is 2+2?")
    assert load_suite(tmp_path, read_table).digest != suite.digest


def write_parquet(path: Path, question: str) -> None:
    rows = [
        {
            "task": 1,
            "chat": [{"role": "user", "content": question, "name": None}],
            "answer": {"text": "4", "weight": 1.5},
            "level": "easy",
            "tags": ["hard"],
        },
        {
            "task": 2,
            "chat": [{"role": "user", "content": "3+3?", "name": "ann"}],
            "answer": {"text": "6", "weight": float("nan")},
            "level": "hard",
            "tags": None,
        },
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path, read_table: ReadTable) -> None:
    (tmp_path / "rows.parquet").write_text("no")
    with pytest.raises(InputError, match="is not a parquet file"):
        read_table(TableSource(path=tmp_path / "rows.parquet"))


def test_a_hub_dataset_is_read_at_its_commit_and_a_pinned_one_is_never_asked_for_twice(
    tmp_path: Path, read_table: ReadTable, asked: list[str]
) -> None:
    items = (
        "items:\n  hub: org/name@main\n  config: main\n  slices_for_all: [easy]\n"
        "  fields: {id: task, prompt: question, expected: answer}\n"
    )
    text = SUITE.replace(", hard: {}", "") + items
    (tmp_path / "suite.yaml").write_text(text)
    suite = load_suite(tmp_path, read_table)
    assert [(item.id, item.expected) for item in suite.items] == [("a", "four"), ("b", "six")]
    asked.clear()
    (tmp_path / "suite.yaml").write_text(text.replace("@main", f"@{COMMIT}"))
    assert load_suite(tmp_path, read_table).digest == suite.digest
    assert asked == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (TableSource(hub="org/name@main", config="other"), "'other' not found"),
        (TableSource(hub="org/name@main", config="main", split="train"), "train"),
        (TableSource(hub="org/nothing@main"), "no .* of this name"),
    ],
)
def test_a_dataset_that_is_not_there_is_a_users_mistake(
    read_table: ReadTable, source: TableSource, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        read_table(source)
