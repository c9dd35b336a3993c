"""A command's result stands while nothing that its plan was made of has changed; in doubt it does not."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build.repeating.finished import AskedCommand, finished_result, note_finished
from quantgate.flows.build.repeating.reads import Reads, reading_is_seen
from quantgate.flows.build.results.build_result import COMPLETION, PAGE, BuildResult
from quantgate.flows.settings import Settings
from quantgate.pipelines.files.records import write_checked, write_record
from quantgate.pipelines.files.store import Store
from quantgate.registry import Receipt

OPTIONS = {"build_file": "build.yaml", "only": None}
BUILD = "support-llama--support-desk--0123456789ab"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a project with a suite, and a store with a build whose command's end is noted."""
    monkeypatch.chdir(tmp_path)
    settings = replace(Settings.from_environment({}), store=Store(root=tmp_path / "store"))
    suite, variant = tmp_path / "suite", tmp_path / "store" / "variants" / "Q8_0"
    for folder, name in ((suite, "items.jsonl"), (suite, "suite.yaml"), (variant, "model.gguf")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    assert noted(settings, written(settings))
    return settings


def written(settings: Settings, receipts: tuple[Receipt, ...] = ()) -> Path:
    """Write a build's result down."""
    folder = settings.store.report(BUILD)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).write_text("<html>")
    result = BuildResult(
        name=BUILD, page=folder / PAGE, rows=(), errors=(), receipts=receipts, details={}
    )
    write_checked(folder / COMPLETION, result)
    return folder / COMPLETION


def noted(settings: Settings, result: Path, *, by_a_child: bool = False) -> bool:
    """Note the end of a command that read the suite's items."""
    root = settings.store.root
    with reading_is_seen(Reads(alone=(root,))) as reads:
        (root.parent / "suite" / "items.jsonl").read_text()
    if by_a_child:
        reads.unseen.add("subprocess.Popen")
    command = AskedCommand.now(OPTIONS)
    return note_finished(command, result, [root / "variants" / "Q8_0"], reads, settings.store)


def again(settings: Settings) -> BuildResult | None:
    return finished_result(AskedCommand.now(OPTIONS), settings)


def test_nothing_changed_and_the_result_stands(settings: Settings) -> None:
    result = again(settings)
    assert result is not None
    assert result.name == BUILD


CHANGES: dict[str, Callable[[Path], object]] = {
    "an item was edited": lambda root: (root / "suite/items.jsonl").write_text("items.jsonL"),
    "an item was removed": lambda root: (root / "suite/items.jsonl").unlink(),
    "another file of the suite was edited": lambda root: (root / "suite/suite.yaml").write_text(
        "suite.yamL"
    ),
    "a file came beside the items": lambda root: (root / "suite/adjudications.jsonl").write_text(
        "{}"
    ),
    "a variant was altered": lambda root: (root / "store/variants/Q8_0/model.gguf").write_text(
        "model.gguF"
    ),
    "a variant was removed": lambda root: shutil.rmtree(root / "store/variants/Q8_0"),
    "a file was added to a variant": lambda root: (
        root / "store/variants/Q8_0/stranger"
    ).write_text(""),
    "the result was edited": lambda root: (root / "store/reports" / BUILD / COMPLETION).write_text(
        "{}"
    ),
    "the page is gone": lambda root: (root / "store/reports" / BUILD / PAGE).unlink(),
    "something waits to be registered": lambda root: write_record(
        root / "store/pending/0123--4567.json", {}
    ),
    "the note itself is damaged": lambda root: next(
        (root / "store/finished").glob("*.json")
    ).write_text("{}"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_changes_is_noticed(settings: Settings, change: Callable[[Path], object]) -> None:
    change(settings.store.root.parent)
    assert again(settings) is None


def test_another_environment_is_planned(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGATE_THREADS", "1")
    assert again(settings) is None


def test_a_shell_s_own_variables_do_not_count(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHLVL", "17")
    assert again(settings) is not None


def test_another_command_or_folder_is_planned(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert finished_result(AskedCommand.now({**OPTIONS, "only": "Q8_0"}), settings) is None
    monkeypatch.chdir(settings.store.root)
    assert again(settings) is None


def test_a_copied_store_s_result_is_its_own(settings: Settings, tmp_path: Path) -> None:
    shutil.copytree(settings.store.root, tmp_path / "copy")
    assert again(replace(settings, store=Store(root=tmp_path / "copy"))) is None


def test_the_registry_is_asked_each_time(settings: Settings) -> None:
    receipt = Receipt(
        uri="", evidence_key="", version_key="", scope="", decision="pass", model="support-llama",
        alias="support-desk", experiment_id="1", run_id="none", version="1",
    )  # fmt: skip
    assert noted(settings, written(settings, (receipt,)))
    assert again(settings) is None, "there is no registry that holds it"


def test_what_others_read_is_not_noted(settings: Settings) -> None:
    assert not noted(settings, written(settings), by_a_child=True)


def test_what_changed_while_it_was_planned_is_not_noted(settings: Settings) -> None:
    root, result = settings.store.root, written(settings)
    with reading_is_seen(Reads(alone=(root,))) as reads:
        (root.parent / "suite" / "items.jsonl").read_text()
        (root.parent / "suite" / "items.jsonl").write_text("others")
    assert not note_finished(AskedCommand.now(OPTIONS), result, [], reads, settings.store)
