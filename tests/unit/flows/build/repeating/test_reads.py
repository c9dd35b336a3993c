"""What a process reads is seen, in whatever thread and package, with what lies beside it."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread

from quantgate.flows.build.repeating.reads import Reads, beside_the_plan, reading_is_seen
from quantgate.flows.build.repeating.stamps import GONE, stamp_of
from quantgate.pipelines.files.hashing import OTHERS_ASKED, DigestMemory, tell_asked
from quantgate.pipelines.files.temporary import temporary_folder


def names(reads: Reads, folder: Path) -> set[str]:
    """Return what was read below a folder."""
    return {
        Path(path).relative_to(folder).as_posix()
        for path in reads.stamps
        if path.startswith(f"{folder}{os.sep}")
    }


def test_an_opened_file_counts_and_what_lies_beside_it(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text(name)
    (tmp_path / "folder").mkdir()
    with reading_is_seen(Reads()) as reads:
        (tmp_path / "config.json").read_text()
    assert names(reads, tmp_path) == {"config.json", "tokenizer.json", "model.safetensors"}
    assert str(tmp_path) in reads.stamps, "a file that is added later changes it"


def test_a_stamp_is_that_of_before_it_was_read(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text("before")
    before = stamp_of(file)
    with reading_is_seen(Reads()) as reads:
        file.read_text()
        file.write_text("afterwards")
        file.read_text()
    assert reads.stamps[str(file)] == before != stamp_of(file)


def test_a_file_that_somebody_looked_for_is_known_to_be_missing(tmp_path: Path) -> None:
    with reading_is_seen(Reads()) as reads, suppress(FileNotFoundError):
        (tmp_path / "adjudications.jsonl").read_text()
    assert reads.stamps[str(tmp_path / "adjudications.jsonl")] == GONE


def test_other_threads_are_seen(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("")
    thread = Thread(target=(tmp_path / "rows.jsonl").read_text)
    with reading_is_seen(Reads()) as reads:
        thread.start()
        thread.join()
    assert names(reads, tmp_path) == {"rows.jsonl"}


def test_a_file_whose_digest_is_remembered_counts(tmp_path: Path) -> None:
    large = tmp_path / "rows.jsonl"
    large.write_bytes(bytes(1 << 20))
    (tmp_path / "store").mkdir()
    memory = DigestMemory(tmp_path / "store" / "digests.json")
    memory.digest(large)
    with reading_is_seen(Reads()) as reads:
        memory.digest(large)
    assert "rows.jsonl" in names(reads, tmp_path)


def test_a_database_that_was_asked_counts_with_its_log(tmp_path: Path) -> None:
    database = tmp_path / "a store" / "mlflow.db"
    database.parent.mkdir()
    with closing(sqlite3.connect(database)) as opened, opened:
        opened.execute("create table versions (name)")
    with reading_is_seen(Reads(alone=(database.parent,))) as reads:
        sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True).close()
    assert names(reads, tmp_path) == {"a store/mlflow.db", "a store/mlflow.db-wal"}
    assert reads.stamps[str(database)] == stamp_of(database)


def test_in_a_store_a_file_counts_alone_and_no_list_of_files(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "manifest.json").write_text("{}")
    (store / "other.json").write_text("{}")
    with reading_is_seen(Reads(alone=(store,))) as reads:
        list(store.iterdir())
        (store / "manifest.json").read_text()
    assert names(reads, tmp_path) == {"store/manifest.json"}


def test_what_is_written_or_ignored_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "module.py").write_text("")
    with reading_is_seen(Reads(ignored=(tmp_path / "sources",))) as reads:
        (tmp_path / "sources" / "module.py").read_text()
        (tmp_path / "log.txt").write_text("")
    assert names(reads, tmp_path) == set()


def test_what_a_child_read_is_unseen() -> None:
    with reading_is_seen(Reads()) as reads:
        subprocess.run([sys.executable, "-c", ""], check=True)
    assert "subprocess.Popen" in reads.unseen


def test_what_a_child_said_before_is_unseen_as_well() -> None:
    with reading_is_seen(Reads()) as reads:
        tell_asked("nvidia-smi")
    assert reads.unseen == {OTHERS_ASKED}


def test_what_was_too_much_to_see_stays_so() -> None:
    first = Reads(unseen={"/data/crowded", "subprocess.Popen"})
    assert Reads().after(first).unseen == {"/data/crowded"}


def test_files_in_memory_count_and_this_program_s_temporary_ones_do_not(tmp_path: Path) -> None:
    with temporary_folder() as made, temporary_folder(Path("/dev/shm")) as in_memory:
        for folder in (made, in_memory):
            (folder / "items.jsonl").write_text("")
        with reading_is_seen(Reads()) as reads:
            (made / "items.jsonl").read_text()
            (in_memory / "items.jsonl").read_text()
        assert names(reads, in_memory) == {"items.jsonl"}
        assert not names(reads, made)


def test_a_child_that_renders_templates_reads_nothing() -> None:
    reads = Reads()
    renders = [sys.executable, "-m", "quantgate.pipelines.evaluation.templates.process", "{}"]
    reads.hear("subprocess.Popen", (sys.executable, renders, None, {}))
    assert not reads.unseen
    reads.hear("socket.connect", (None, ("127.0.0.1", 5000)))
    assert reads.connected


def test_what_a_thread_does_beside_the_plan_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("")

    def other() -> None:
        with beside_the_plan():
            (tmp_path / "log.txt").read_text()
            subprocess.run([sys.executable, "-c", ""], check=True)

    thread = Thread(target=other)
    with reading_is_seen(Reads()) as reads:
        thread.start()
        thread.join()
    assert not reads.unseen
    assert not names(reads, tmp_path)


def test_nothing_is_heard_after_the_block(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text("")
    with reading_is_seen(Reads()) as reads:
        pass
    file.read_text()
    assert not reads.stamps


def test_what_was_read_earlier_counts_but_for_the_store(tmp_path: Path) -> None:
    store, file = tmp_path / "store", tmp_path / "suite.yaml"
    store.mkdir()
    kept = store / "manifest.json"
    kept.write_text("half")
    file.write_text("first")
    with reading_is_seen(Reads(alone=(store,))) as earlier:
        file.read_text()
        kept.read_text()
    first = stamp_of(file)
    file.write_text("second")
    kept.write_text("whole")
    with reading_is_seen(Reads(alone=(store,))) as later:
        kept.read_text()
    both = later.after(earlier)
    assert both.stamps[str(file)] == first
    assert both.stamps[str(kept)] == stamp_of(kept)
