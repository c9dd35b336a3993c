"""The environment of the archived packages: where it is, how it is made, whose interpreter runs a worker."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import archived_environment, wire
from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.process.calls import WorkerCall, ignore_progress
from quantgate.pipelines.process.environments import LockedEnvironment
from quantgate.pipelines.process.runner import run_worker
from tests.support.children.workers import Done, Order
from tests.support.project import PROJECT


def _environment(folder: Path) -> LockedEnvironment:
    lock = folder / "archived.lock"
    lock.write_text("autoawq==0.2.9\n")
    return LockedEnvironment(
        name="archived", lock=lock, tool_cache=folder / "cache", command="make setup-archived"
    )


def _make(environment: LockedEnvironment) -> None:
    """Lay out what the set-up script leaves: an interpreter and one installed package."""
    environment.python.parent.mkdir(parents=True)
    environment.python.write_text("#!/bin/sh\n")
    environment.python.chmod(0o755)
    package = (
        environment.folder / "lib" / "python3.11" / "site-packages" / "autoawq-0.2.9.dist-info"
    )
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: autoawq\nVersion: 0.2.9\n")


def _set_up(cache: Path, python: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(PROJECT / "requirements" / "setup"), "archived"],
        env=os.environ | {"QUANTGATE_CACHE": str(cache), "PYTHON": python},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_environment_that_is_not_made_says_the_one_command_that_makes_it(tmp_path: Path) -> None:
    environment = _environment(tmp_path)
    assert "run `make setup-archived`" in (environment.missing() or "")
    with pytest.raises(ToolchainError, match="make setup-archived"):
        environment.version("autoawq")


def test_versions_are_read_without_starting_the_interpreter(tmp_path: Path) -> None:
    environment = _environment(tmp_path)
    _make(environment)
    assert environment.missing() is None
    assert environment.version("autoawq") == "0.2.9"
    with pytest.raises(ToolchainError, match="lacks torch"):
        environment.version("torch")


def test_an_environment_whose_interpreter_is_gone_is_not_made(tmp_path: Path) -> None:
    environment = _environment(tmp_path)
    _make(environment)
    environment.python.unlink()
    environment.python.symlink_to(tmp_path / "removed")
    assert environment.missing() is not None


def test_another_lock_is_another_environment(tmp_path: Path) -> None:
    environment = _environment(tmp_path)
    _make(environment)
    environment.lock.write_text("autoawq==0.2.8\n")
    assert environment.missing() is not None


def test_a_missing_lock_is_said_and_not_a_traceback(tmp_path: Path) -> None:
    environment = replace(_environment(tmp_path), lock=tmp_path / "none.lock")
    assert "own checkout" in (environment.missing() or "")
    with pytest.raises(ToolchainError, match="cannot be read"):
        assert environment.digest


def test_the_set_up_script_looks_for_it_where_the_program_does(tmp_path: Path) -> None:
    settings = Settings.from_environment({"QUANTGATE_CACHE": str(tmp_path)})
    _make(archived_environment(settings))
    done = _set_up(tmp_path, "a python that is not there")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_set_up_that_fails_is_one_error_with_exit_code_4_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\necho no network >&2\nexit 1\n')
    python.chmod(0o755)
    cache = tmp_path / "cache"
    done = _set_up(cache, str(python))
    assert done.returncode == ToolchainError.exit_code
    assert done.stderr.count("next:") == 1
    assert "no network" in done.stderr
    assert f"log: {cache}/archived.log" in done.stderr
    assert {path.name for path in cache.iterdir()} == {".archived.lock", "archived.log"}


def test_a_set_up_without_the_right_python_is_exit_code_4(tmp_path: Path) -> None:
    done = _set_up(tmp_path / "cache", "a python that is not there")
    assert done.returncode == ToolchainError.exit_code
    assert "is not installed" in done.stderr


def test_both_backends_stand_behind_the_names_that_recipes_call(tmp_path: Path) -> None:
    tools = wire(Settings.from_environment({"QUANTGATE_CACHE": str(tmp_path)}))
    for name in ("autoawq", "autogptq"):
        assert "make setup-archived" in (tools.backends[name].missing() or "")


def test_a_worker_runs_under_the_interpreter_that_its_call_names(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho under another interpreter\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    call = WorkerCall(
        module="tests.support.children.workers",
        request=Order(act="work", path=tmp_path / "trace"),
        log=tmp_path / "worker.log",
        threads=1,
        timeout_seconds=30,
        python=python,
    )
    assert run_worker(call, Done, ignore_progress).value == Done(text="passive1")
    assert "under another interpreter" in call.log.read_text()
