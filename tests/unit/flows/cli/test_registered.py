"""Commands that ask a registry, as whole processes and in one: what they print, and what they import."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quantgate.flows.cli.main import main
from quantgate.pipelines.files.store import Store
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.facts import to_tags
from tests.support.registered.mlflow_tables import SUITE, VARIANTS, Extent, write_tables
from tests.support.registered.registries import Sample, evidence_of

MODEL = "model-0000"
CHAMPION = VARIANTS + 1


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store with a registry of three models."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "store"
    evidence = evidence_of(Sample(size_bytes=1000), Store(root=root))
    extent = Extent(models=3, versions=2 * VARIANTS)
    write_tables(root / "mlflow.db", extent, to_tags(version_facts(evidence)))
    yield root


def run(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--store", str(store)])


def test_a_look_up_prints_the_champion_and_json_has_all_of_it(store: Path) -> None:
    shown = run(store, "lookup", MODEL)
    assert shown.exit_code == 0, shown.output
    assert f"version   {MODEL}/{CHAMPION} @{SUITE}" in shown.output
    values = json.loads(run(store, "lookup", MODEL, "--json").stdout)
    assert values["facts"]["runtime"]["engine"] == "llama.cpp"
    assert (values["version"], values["sealed"]) == (str(CHAMPION), True)
    assert next(iter(values.items())) == ("schema", "quantgate.lookup/1")


def test_all_that_fits_is_a_table_best_first(store: Path) -> None:
    lines = run(store, "lookup", MODEL, "--all", "--max-size", "2kB").output.splitlines()
    assert [line.split()[0] for line in lines] == ["version", "11", "1", "12", "2"]
    listed = json.loads(run(store, "lookup", MODEL, "--all", "--json").stdout)["versions"]
    assert len(listed) == 2 * VARIANTS
    assert listed[0]["aliases"] == [SUITE]


def test_what_fits_nothing_lists_ten_and_says_how_to_see_the_rest(store: Path) -> None:
    finished = run(store, "lookup", MODEL, "--max-size", "10")
    assert finished.exit_code == 12
    assert finished.output.count("(version ") == 10
    assert f"and more: quantgate lookup {MODEL} --all" in finished.output
    assert len(finished.output) < 2000


def test_an_altered_version_is_named_on_standard_error(store: Path) -> None:
    with closing(sqlite3.connect(store / "mlflow.db")) as tables:
        tables.execute(
            "UPDATE model_version_tags SET value = '1' WHERE key = 'size_bytes' AND version = ?",
            (CHAMPION,),
        )
        tables.commit()
    finished = run(store, "lookup", MODEL, "--json")
    assert finished.exit_code == 0
    assert f"models:/{MODEL}/{CHAMPION} is not returned: its tags were altered" in finished.stderr
    assert json.loads(finished.stdout)["version"] == "12"
    assert run(store, "lineage", f"{MODEL}@{SUITE}").exit_code == 2


def test_a_history_shows_the_newest_twenty_and_a_comparison_what_differs(store: Path) -> None:
    history = run(store, "history", MODEL).output
    assert history.splitlines()[1].startswith("20 ")
    assert "was not recorded" in history
    comparison = run(store, "compare", f"{MODEL}/1", f"{MODEL}/2").output
    assert "size_bytes  1000" in comparison
    assert "its verdict cannot be read" in comparison


def test_files_are_verified_and_pulled(store: Path, tmp_path: Path) -> None:
    assert "every byte is as registered" in run(store, "verify", f"{MODEL}@{SUITE}").output
    assert "no file was read" in run(store, "verify", f"{MODEL}@{SUITE}", "--quick").output
    pulled = run(store, "pull", f"{MODEL}@{SUITE}", "--to", str(tmp_path / "models"))
    assert pulled.exit_code == 0, pulled.output
    assert f"serve   llama-server -m {tmp_path / 'models'}" in pulled.output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("lookup", "modle-0000"), 12, "did you mean model-0000"),
        (("lookup", MODEL, "--sort", "beauty"), 2, "beauty"),
        (("lookup", MODEL, "--max-bits", "nan"), 2, "is no number of bits"),
        (("history", "modle-0000"), 12, "did you mean model-0000"),
        (("compare", f"{MODEL}/1", f"{MODEL}/99"), 12, "there is no such version"),
        (("verify", f"{MODEL}/99999999999999999999"), 12, "there is no such version"),
        (("pull", f"{MODEL}@nobody", "--to", "x"), 12, f"aliases: @{SUITE} -> {CHAMPION}"),
        (("pull", f"{MODEL}@", "--to", "x"), 2, "is not a reference"),
    ],
)
def test_mistakes_are_one_message_and_a_documented_exit_code(
    store: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    finished = run(store, *arguments)
    assert finished.exit_code == code
    assert words in finished.output


LISTED = """
import json, sys
from quantgate.flows.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "command", [("lookup", MODEL), ("lineage", MODEL), ("history", MODEL),
                ("compare", f"{MODEL}/1", f"{MODEL}/2")],
    ids=lambda command: command[0],
)  # fmt: skip
def test_the_process_that_answers_imports_little(store: Path, command: tuple[str, ...]) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", LISTED, *command, "--store", str(store)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    modules = set(json.loads(finished.stderr.splitlines()[-1]))
    heavy = {"mlflow", "pandas", "numpy", "sqlalchemy", "pydantic", "rich", "requests", "ssl"}
    assert heavy & modules == set()


@pytest.mark.parametrize(
    ("reference", "options", "said"),
    [
        (MODEL, ("--quick", "--judge"), "--quick and --judge are checks of their own"),
        (MODEL, ("--judge", "--key", "a.pub"), "--key and --judge are checks of their own"),
        (__file__, ("--quick",), "--quick is for registered versions"),
        (__file__, ("--judge",), "--judge is for registered versions"),
    ],
)
def test_checks_that_one_run_would_pass_over_are_refused(
    store: Path, reference: str, options: tuple[str, ...], said: str
) -> None:
    finished = run(store, "verify", reference, *options)
    assert (finished.exit_code, said in finished.output) == (2, True), finished.output
