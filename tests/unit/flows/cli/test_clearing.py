"""`quantgate gc` from the command line: it names, and removes only when it is told to."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quantgate.flows.cli.main import main


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
