"""Odd values of options and environment variables end in a sentence and an exit code, never in a fault."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from quantgate.flows.build.corpora.traffic import TrafficOptions, compare_traffic
from quantgate.flows.cli.main import main
from quantgate.flows.cli.program import empty_value
from quantgate.flows.releases.watch_list import load_watch_list
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.secrets import redacted
from quantgate.pipelines.files.store import STORE_VARIABLE, Store
from quantgate.pipelines.files.tool_cache import tool_cache
from tests.support.corpora import chat_rows, spec_of, write_rows
from tests.unit.calibration.sources.test_sources import build, one

BUILD = ("quantize", "model", "--suite", "suite")
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


@pytest.mark.parametrize("variable", ["QUANTGATE_CACHE", "XDG_CACHE_HOME"])
def test_a_cache_is_in_somebodys_home(variable: str) -> None:
    with pytest.raises(InputError, match="nobody's home folder"):
        tool_cache({variable: NOBODY})


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
    options = TrafficOptions(traffic=str(tmp_path / "a.jsonl"), alpha=alpha)
    settings = Settings.from_environment({STORE_VARIABLE: str(store.root)})
    with pytest.raises(InputError, match="alpha is a probability"):
        compare_traffic(corpus, options, settings)


@pytest.mark.parametrize("target", ["/", ".", "folder", "file/x.jsonl", "none/x.jsonl"])
def test_a_corpus_is_not_exported_to_a_folder_or_into_none(tmp_path: Path, target: str) -> None:
    store = Store(root=tmp_path / "store")
    write_rows(tmp_path / "a.jsonl", chat_rows(60))
    build(tmp_path, store, one("a.jsonl").replace("1", "50", 1))
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    to = target if target in ("/", ".") else str(tmp_path / target)
    code, said = ended(tmp_path, "corpus", "export", "demo", "--to", to)
    assert code == 2
    assert "is a folder, not a file" in said or "cannot be written" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("suite", "mine", "rows.jsonl", "--model", "m", "--take", "-1"),
        ("suite", "mine", "rows.jsonl", "--model", "m", "--look-at", "0"),
        ("suite", "mine", "rows.jsonl", "--model", "m", "--max-tokens", str(10**30)),
        ("review", "build", "--labels", "sheet.jsonl", "--take", "0"),
    ],
)
def test_counts_are_counts(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, said = ended(tmp_path, *arguments)
    assert code == 2
    assert "is not in the range" in said


@pytest.mark.parametrize("key", ["sequences", "tokens"])
def test_a_corpus_of_more_than_there_can_be_is_refused_by_its_spec(
    tmp_path: Path, key: str
) -> None:
    write_rows(tmp_path / "a.jsonl", chat_rows(5))
    text = f"{key}: {10**40}\ntokenizer: m\nsources: [{{path: a.jsonl}}]\n"
    with pytest.raises(InputError, match=f"line 2: {key}: has to be"):
        spec_of(tmp_path, text)


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("temperature: 0.0", f"temperature: 0.0, seed: {10**40}", "seed: has to be 4294967294 or less"),
        ("temperature: 0.0", "temperature: 0.0, seed: -1", "seed: has to be 0 or more"),
        ("temperature: 0.0", "temperature: 0.0, stop: ['']", "stop.0: "),
        ("slices:", f"long_context: {{lengths: [{10**40}]}}\nslices:", "no model has a context of"),
        ("slices:", "long_context: {lengths: [900000k]}\nslices:", "no model has a context of"),
        ("slices:", f"long_context: {{lengths: ['{'9' * 5000}k']}}\nslices:", "is not a length like"),
        (
            "slices:",
            "long_context: {lengths: [8k], characters_per_token: 1.0e+300}\nslices:",
            "characters_per_token: has to be 100 or less",
        ),
    ],
)  # fmt: skip
def test_numbers_of_a_suite_are_within_what_there_can_be(
    tmp_path: Path, before: str, after: str, sentence: str
) -> None:
    text = Path("examples/support-desk/suite/suite.yaml").read_text(encoding="utf-8")
    (tmp_path / "suite.yaml").write_text(text.replace(before, after), encoding="utf-8")
    (tmp_path / "items.jsonl").write_text("")
    code, said = ended(tmp_path, "suite", "check", str(tmp_path))
    assert code == 2
    assert sentence in said


LONG = "x" * 100_000


def test_a_name_that_no_file_can_have_leads_nowhere(tmp_path: Path) -> None:
    watched = tmp_path / "releases.yaml"
    watched.write_text(f"follow: [{{model: {LONG}, suite: s}}]\n")
    assert load_watch_list(watched)
    for arguments in (
        ("quantize", LONG, "--suite", "examples/support-desk/suite", "--recipes", "Q8_0", "--plan"),
        ("suite", "check", "examples/support-desk/suite", "--model", LONG),
    ):
        code, said = ended(tmp_path, *arguments)
        assert code == 2
        assert "no such folder" in said


@pytest.mark.parametrize("text", [LONG, "sk-" * 40_000, "a+" * 50_000, "http" * 30_000])
def test_secrets_are_looked_for_in_linear_time(text: str) -> None:
    begun = time.process_time()
    assert redacted(f"{text} https://ann:geheim@host") == f"{text} https://ann:***@host"
    assert time.process_time() - begun < 2.0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["quantize", "m", "--kv", ""], "--kv"),
        (["quantize", "m", "--suite="], "--suite"),
        (["quantize", "m", "--corpus", " , "], "--corpus"),
        (["quantize", "m.gguf", "--suite", "s", "--expand", "  "], "--expand"),
        (["corpus", "export", "demo", "--to", ""], "--to"),
        (["lookup", ""], "an argument"),
        (["quantize", "m", "--expand=because", " "], "an argument"),
    ],
)
def test_an_empty_value_is_refused_whatever_it_is_given_for(
    tmp_path: Path, arguments: list[str], name: str
) -> None:
    assert empty_value(arguments) == name
    code, said = ended(tmp_path, *arguments)
    assert code == 2
    assert f"{name} is empty: leave it out, or give it a value" in said


@pytest.mark.parametrize(
    "arguments", [["quantize", "m", "--name=a=b", "--plan"], ["lookup", "m", "--kv", "f16"], []]
)
def test_values_that_say_something_are_not(arguments: list[str]) -> None:
    assert empty_value(arguments) is None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("review", "b", "--take", "5"), "--take would be passed over"),
        (("review", "b", "--html", "a.html", "--who", "Ada", "--all"), "--who and --all would be"),
        (("corpus", "check", "c", "--suite", "s", "--recipes", "Q*"), "--recipes would be passed over"),
        (("init", "mine", "--items", "5", "--question", "q"), "--question and --items would be"),
        ((*BUILD, "--recipes", "none", "--kv", "q8_0"), "--kv would be passed over"),
        ((*BUILD, "--recipes", "none", "--corpus", "c.yaml", "--speed"), "--corpus and --speed would"),
        ((*BUILD, "--plan", "--json"), "--json would be passed over"),
        (("recipes", "--verbose", "--quiet"), "ask for opposites"),
    ],
)  # fmt: skip
def test_options_that_nothing_would_come_of_are_refused(
    tmp_path: Path, arguments: tuple[str, ...], problem: str
) -> None:
    code, said = ended(tmp_path, *arguments)
    assert code == 2
    assert problem in said


def test_a_review_goes_one_way_at_a_time(tmp_path: Path) -> None:
    code, said = ended(tmp_path, "review", "build", "--html", "a.html", "--import", "b.json")
    assert code == 2
    assert "--html and --import are ways of their own" in said
    assert "next: ask for one of them at a time" in said
