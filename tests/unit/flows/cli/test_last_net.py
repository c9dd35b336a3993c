"""What nobody thought of ends in one sentence, a documented exit code, and a traceback in a file."""

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from quantgate.flows.cli.crashes import failure_of
from quantgate.flows.cli.main import main
from quantgate.flows.cli.options import clean_exit
from quantgate.pipelines.domain.errors import InputError


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - with its traceback, as the command line gets it
        return caught


def test_a_fault_is_one_sentence_and_its_traceback_lies_in_the_store(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    failure = failure_of(raised(KeyError("weights")), tmp_path)
    assert failure.exit_code == 1
    assert "a fault of quantgate, not of yours (KeyError: 'weights')" in str(failure)
    assert failure.log is not None
    assert failure.log.parent == tmp_path / "logs"
    assert "Traceback" in failure.log.read_text()
    assert str(failure.log) in str(failure)


def test_without_a_store_the_traceback_lies_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    failure = failure_of(raised(ValueError("a\nb" + "x" * 10_000 + "\ud800")), tmp_path / "none")
    assert failure.log is not None
    assert failure.log.parent == tmp_path
    assert len(failure.what) < 400
    assert not (tmp_path / "none").exists(), "asking creates nothing"


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (InputError("is wrong", where="a.yaml"), 2, "a.yaml: is wrong"),
        (PermissionError(13, "Permission denied", "/a"), 4, "/a: cannot be used (Permission denied)\n  next"),
        (OSError(36, "File name too long", "n" * 5000), 2, f"{'n' * 200}…: is longer than the system takes"),
        (OSError(28, "No space left on device"), 4, "the disk is full"),
        (OSError(30, "Read-only file system", "/a"), 4, "next: nothing can be written there"),
        (OSError(5, "Input/output error", "/a"), 4, "next: see that it is there"),
        (FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"), 4, "another one: TMPDIR"),
        (MemoryError(), 4, "not enough memory"),
        (ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"), 4, "quantgate[build]"),
        (ModuleNotFoundError("No module", name="quantgate.gone"), 1, "a fault of quantgate"),
        (RecursionError("maximum recursion depth"), 1, "a fault of quantgate"),
    ],
)  # fmt: skip
def test_each_kind_of_failure_has_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, sentence: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    failure = failure_of(raised(error), tmp_path)
    assert failure.exit_code == code
    assert sentence in str(failure)


def test_the_net_looks_at_nothing_that_may_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without rights, a name that is too long, a working directory that is gone: no traceback."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.delenv("QUANTGATE_STORE", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Path, "stat", _refuse)
    for error in (
        PermissionError(13, "Permission denied", "/a/b"),
        OSError(5, "Input/output error", "/a"),
    ):
        assert failure_of(raised(error)).exit_code == 4
    assert failure_of(raised(OSError(5, "Input/output error"))).exit_code == 1


def test_a_full_disk_that_no_error_names_is_not_said_to_be_the_stores(tmp_path: Path) -> None:
    """As of `--to` on another disk: the error of a write has no file."""
    failure = failure_of(raised(OSError(28, "No space left on device")), tmp_path)
    assert (failure.where, failure.exit_code) == (None, 4)
    named = failure_of(
        raised(OSError(28, "No space left on device", str(tmp_path / "a"))), tmp_path
    )
    assert named.where == str(tmp_path)


def test_a_working_directory_that_is_gone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QUANTGATE_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    result = CliRunner().invoke(main, ["corpus", "list"])
    assert result.exit_code == 2
    assert result.output.startswith("quantgate: the working directory is gone\n  next: ")


def _refuse(path: Path, **_: bool) -> None:
    raise PermissionError(13, "Permission denied", str(path))


def test_every_command_stands_over_the_net() -> None:
    """Each command's callback is `clean_exit`'s wrapper; `--help` of a group has no body to fail."""
    waiting: list[click.Group] = [main]
    while waiting:
        for command in waiting.pop().commands.values():
            if isinstance(command, click.Group):
                waiting.append(command)
            else:
                assert command.callback is not None
                code = command.callback.__code__
                assert code is clean_exit(lambda: 0).__code__, command.name


def test_a_fault_in_a_command_ends_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path))
    monkeypatch.setenv("QUANTGATE_THREADS", "²")  # a digit to `isdigit`, and no number to `int`
    result = CliRunner().invoke(main, ["corpus", "list"])
    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.output
    assert result.output.startswith("quantgate: ")


def test_a_name_that_is_no_utf8_is_printed_all_the_same(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\x80b"))
    folder.mkdir()
    (folder / "suite.yaml").write_text("name: a\n")
    for command in (["suite", "check", str(folder)], ["suite", "check", str(folder), "--json"]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 2, result.output
        assert "key 'version' is missing" in result.output
