"""Odd values of options and environment variables end in a sentence and an exit code, never in a fault."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from flows.cli import main
from flows.corpus_drift import DriftOptions, compare_traffic
from flows.settings import Settings
from pipelines.domain.errors import InputError
from pipelines.files.store import STORE_VARIABLE, Store
from tests.corpus_rows import chat_rows, write_rows
from tests.unit.test_corpus_sources import build, one

NOBODY = "~nobody-is-called-so/x"


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """`--store` sets the variable for children; this is one process."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def ended(folder: Path, *arguments: str, store: str = "") -> tuple[int, str]:
    environment = {STORE_VARIABLE: store or str(folder / "store"), "MLFLOW_TRACKING_URI": ""}
    done = CliRunner().invoke(main, arguments, env=environment)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("suite", "check", "examples/support-desk/suite", "--model", NOBODY),
        ("quantize", NOBODY, "--suite", "examples/support-desk/suite", "--recipes", "Q8_0", "--plan"),
        ("corpus", "build", "examples/support-desk/corpus.yaml", "--model", NOBODY),
        ("corpus", "list", "--store", NOBODY),
    ],
)  # fmt: skip
def test_a_home_that_nobody_has_is_named(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, said = ended(tmp_path, *arguments)
    assert code == 2
    assert NOBODY in said and "nobody's home folder" in said


def test_a_store_is_a_folder_of_somebody(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    assert "is a file, no folder" in ended(tmp_path, "corpus", "list", store=str(file))[1]
    assert "nobody's home folder" in ended(tmp_path, "corpus", "list", store=NOBODY)[1]
    assert ended(tmp_path, "corpus", "list") == (0, "")


@pytest.mark.parametrize("size", ["9" * 400 + "GB", "-5GB", "nanGB", "GB", "0"])
def test_a_size_that_is_none_is_refused(tmp_path: Path, size: str) -> None:
    code, said = ended(tmp_path, "lookup", "demo", "--max-size", size)
    assert code == 2
    assert "is not a size" in said


@pytest.mark.parametrize("alpha", [float("nan"), 0.0, 1.0, float("inf")])
def test_a_false_alarm_rate_that_is_none_is_refused(
    tmp_path: Path, store: Store, alpha: float
) -> None:
    write_rows(tmp_path / "a.jsonl", chat_rows(60))
    corpus = build(tmp_path, store, one("a.jsonl").replace("1", "50", 1))
    options = DriftOptions(corpus="demo", traffic=str(tmp_path / "a.jsonl"), alpha=alpha)
    settings = Settings.from_environment({STORE_VARIABLE: str(store.root)})
    with pytest.raises(InputError, match="alpha is a probability"):
        compare_traffic(corpus, options, settings)
