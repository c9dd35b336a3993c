"""`quantgate gc` from the command line: it names, and removes only when it is told to."""

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quantgate.flows.build.clearing.usage import nobody_begins
from quantgate.flows.cli.main import main
from quantgate.flows.cli.registered.register import register_command
from quantgate.pipelines.files.store import Store


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "store" / "logs" / "build.log"
    path.parent.mkdir(parents=True)
    path.write_text("x" * 1000)
    os.utime(path, (0, 0))
    return path


def gc(arguments: Sequence[str], tmp_path: Path) -> Result:
    environment = {"QUANTGATE_STORE": str(tmp_path / "store"), "MLFLOW_TRACKING_URI": ""}
    result = CliRunner().invoke(main, ["gc", *arguments], env=environment)
    assert result.exit_code == 0, result.output
    return result


def test_nothing_is_removed_without_a_terminal_and_without_yes(tmp_path: Path, log: Path) -> None:
    said = gc([], tmp_path).output
    assert "log     0.00 MB  logs/build.log" in said
    assert "nothing was removed: --yes removes it without a question" in said
    assert log.exists()


@pytest.mark.parametrize("arguments", [["--dry-run"], ["--dry-run", "--yes"], ["--json"]])
def test_a_dry_run_only_names(tmp_path: Path, log: Path, arguments: list[str]) -> None:
    assert "logs/build.log" in gc(arguments, tmp_path).output
    assert log.exists()


def test_yes_removes_what_was_named(tmp_path: Path, log: Path) -> None:
    said = json.loads(gc(["--yes", "--json"], tmp_path).output)
    assert said["removed"] is True
    assert [each["size_bytes"] for each in said["removable"]] == [1000]
    assert not log.exists()
    assert "nothing may go" in gc(["--yes"], tmp_path).output


def test_what_is_younger_than_a_week_stays_unless_it_may_go(tmp_path: Path, log: Path) -> None:
    os.utime(log)
    assert "nothing may go" in gc(["--yes"], tmp_path).output
    gc(["--yes", "--older-than", "0d"], tmp_path)
    assert not log.exists()


def test_registering_what_waits_and_removing_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert register_command() == 0  # all that is imported is there now
    registering = threading.Thread(target=register_command)
    with nobody_begins(Store(root=tmp_path / "store")):
        registering.start()
        registering.join(1.0)
        assert registering.is_alive()
    registering.join(10)
    assert not registering.is_alive()
