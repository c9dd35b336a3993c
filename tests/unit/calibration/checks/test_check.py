"""`corpus check`, and the same checks before every build: what stops it, what is told, what may be waived."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from quantgate.calibration.checks.check import AskedModel, check_corpus
from quantgate.calibration.checks.findings import overlap_of
from quantgate.calibration.checks.preflight import Preflight, refuse_contamination, refuse_useless
from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.planning.plans import make_plan
from quantgate.flows.cli.corpus.check import CorpusCheckOptions, check_command
from quantgate.flows.cli.views.corpus_check import corpus_check_blocks
from quantgate.flows.cli.views.findings import print_report_json
from quantgate.flows.cli.views.rendering import plain_lines
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.waiver import ContaminationWaiver
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.report.page.rendering import render_page
from quantgate.pipelines.report.result import result_json
from quantgate.pipelines.specs.builds import BuildOverrides, load_build
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.suites.load import load_suite
from quantgate.registry.evidence_facts import version_facts
from tests.support.fakes import FakeBackend, FakeRuntime, fake_loading
from tests.support.models.checkpoints import write_checkpoint
from tests.support.registered.registries import Sample, evidence_of
from tests.support.verdicts.reports import example_report

QUESTION = "Which of the seven harbours of Port Amalia did the brig Dorothea leave on 14 March 1871 for Oslo?"
OTHER = "How many barrels of tar did the cooper of Lindisvik sell to the king's yard in the winter of 1802?"
SUITE = """\
name: harbour
version: 1
grader: {kind: exact}
decode: {max_tokens: 8}
slices: {ships: {}}
"""
TRAFFIC = (
    "Tell me something about the harbour and the ships that leave it every spring, please.",
    "When does the market open in the old town, and who sells the best bread there?",
    "I have lost my ticket for the ferry and would like to have a new one sent to my house.",
    "Is the tower open on Sundays, and may one take a dog up the stairs to the lantern?",
)
COPY = QUESTION.replace("seven", "7").replace("Oslo", "old Oslo").upper()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "store")


@pytest.fixture
def settings(store: Store) -> Settings:
    return replace(Settings.from_environment({}), store=store, threads=1, workers=1)


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / "suite.yaml").write_text(SUITE)
    rows = [
        {"id": f"q{n}", "prompt": text, "expected": "x", "slices": ["ships"]}
        for n, text in enumerate((QUESTION, OTHER))
    ]
    (folder / "items.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    return load_suite(folder)


def written(folder: Path, *texts: str) -> Path:
    """A corpus spec over these texts."""
    (folder / "rows.jsonl").write_text("".join(json.dumps({"text": one}) + "\n" for one in texts))
    path = folder / "corpus.yaml"
    path.write_text(f"name: c\nsequences: {len(texts)}\nsources: [{{path: rows.jsonl}}]\n")
    return path


def corpus_of(folder: Path, store: Store, *texts: str) -> Corpus:
    return build_corpus(load_corpus_spec(written(folder, *texts)), store)


def waiver(
    item: str = "q0", expires: date = date(2999, 1, 1), corpus: str = ""
) -> ContaminationWaiver:
    return ContaminationWaiver(
        item_id=item, reason="public anyway", who="Ada", expires=expires, corpus=corpus
    )


def flight(
    corpus: Corpus, suite: Suite, settings: Settings, folder: Path, *waivers: ContaminationWaiver
) -> Preflight:
    if not (folder / "model").exists():
        write_checkpoint(folder / "model")
    checkpoint = resolve_checkpoint(
        str(folder / "model"), name=None, store=settings.store, hub=HubSettings()
    )
    return Preflight(
        corpus=corpus,
        suite=suite,
        checkpoint=checkpoint,
        recipes=find_recipes(("Q4_K_M--imatrix", "NVFP4", "Q8_0"), Path()),
        waivers=waivers,
        store=settings.store,
        threads=settings.threads,
        chat=lambda: ChatFormat.of(checkpoint.folder),
        today=date(2026, 12, 1),
    )


def test_a_clean_corpus_has_no_problems_and_its_lacks_are_notes(
    tmp_path: Path, suite: Suite, settings: Settings, store: Store
) -> None:
    report = check_corpus(corpus_of(tmp_path, store, *TRAFFIC), suite, store=store)
    assert (report.exit_code, report.contaminations, report.problems) == (0, (), ())
    lines = list(plain_lines(corpus_check_blocks(report)))
    assert lines[0] == "corpus c@1: 4 sequences, suite harbour@1: 2 items"
    assert lines[-1].startswith("0 problems, ")


def test_a_question_in_the_corpus_is_a_problem_told_with_both_texts_and_as_json(
    tmp_path: Path,
    suite: Suite,
    settings: Settings,
    store: Store,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = check_corpus(corpus_of(tmp_path, store, *TRAFFIC, COPY), suite, store=store)
    assert report.exit_code == 2
    (line,) = [line for line in plain_lines(corpus_check_blocks(report)) if ": problem: " in line]
    assert line.startswith("corpus c@1: problem: item 'q0' stands in sequence '")
    assert "Which of the seven" in line and "WHICH OF THE 7" in line
    print_report_json(report)
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["contaminations"][0]["item_id"] == "q0"
    assert told["health"]["rows"] == 5


def test_broken_rows_are_problems_and_repeated_ones_are_notes(
    tmp_path: Path, suite: Suite, settings: Settings, store: Store
) -> None:
    rows = (*TRAFFIC, "with a \0 inside", TRAFFIC[0].upper())
    report = check_corpus(corpus_of(tmp_path, store, *rows), suite, store=store)
    told = {one.text.partition(":")[0]: one.severity for one in report.findings}
    assert told["NUL"] == "problem"
    assert told["same words"] == "note"


def test_with_a_model_every_recipes_use_and_the_tokens_of_every_slice_are_told(
    tmp_path: Path, suite: Suite, settings: Settings, store: Store
) -> None:
    model = write_checkpoint(tmp_path / "model")
    report = check_corpus(
        corpus_of(tmp_path, store, *TRAFFIC),
        suite,
        store=store,
        model=AskedModel(source=str(model), recipes=("NVFP4", "Q8_0"), hub=settings.hub),
    )
    assert report.model is not None
    (use,) = report.model.uses
    assert (use.recipe, use.sequences, use.problem) == ("NVFP4", 4, None)
    assert [one.slice for one in report.model.tokens] == ["ships"]
    lines = list(plain_lines(corpus_check_blocks(report)))
    assert any(
        line.startswith("recipe NVFP4: ") and "wanted tokens in 4 sequences" in line
        for line in lines
    )
    assert "experts: the model has none" in lines


def test_the_command_takes_a_spec_or_a_name_and_says_so_by_its_exit_code(
    tmp_path: Path, suite: Suite, store: Store, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("QUANTGATE_STORE", str(store.root))
    spec = written(tmp_path, *TRAFFIC, QUESTION)
    assert check_command(CorpusCheckOptions(corpus=str(spec), suite=suite.folder)) == 2
    assert "(word for word)" in capsys.readouterr().out
    assert check_command(CorpusCheckOptions(corpus="c@1", suite=suite.folder, as_json=True)) == 2
    assert json.loads(capsys.readouterr().out)["corpus"] == "c@1"
    with pytest.raises(NotFoundError):
        check_command(CorpusCheckOptions(corpus="nothing", suite=suite.folder))


def test_a_contaminated_corpus_is_refused_with_the_items_and_what_to_do(
    tmp_path: Path, suite: Suite, settings: Settings, store: Store
) -> None:
    corpus = corpus_of(tmp_path, store, *TRAFFIC, QUESTION, OTHER)
    with pytest.raises(InputError, match="2 items of suite harbour stand in the corpus") as caught:
        refuse_contamination(flight(corpus, suite, settings, tmp_path))
    told = str(caught.value)
    assert "'q0'" in told and "'q1'" in told and "contamination_waivers" in told
    assert caught.value.exit_code == 2


def test_waived_items_pass_and_the_waivers_needed_are_returned_and_no_others(
    tmp_path: Path, suite: Suite, settings: Settings, store: Store
) -> None:
    corpus = corpus_of(tmp_path, store, *TRAFFIC, QUESTION)
    needed, idle = waiver("q0"), waiver("q1")
    assert refuse_contamination(flight(corpus, suite, settings, tmp_path, idle, needed)) == (
        replace(needed, corpus=corpus.label),
    )


def test_a_waiver_of_another_item_or_one_that_has_expired_does_not_help(
    tmp_path: Path, suite: Suite, settings: Settings, store: Store
) -> None:
    corpus = corpus_of(tmp_path, store, *TRAFFIC, QUESTION)
    with pytest.raises(InputError, match="1 items"):
        refuse_contamination(flight(corpus, suite, settings, tmp_path, waiver("q1")))
    late = waiver("q0", expires=date(2026, 11, 30))
    with pytest.raises(InputError, match=r"expired: q0: public anyway \(Ada, until 2026-11-30\)"):
        refuse_contamination(flight(corpus, suite, settings, tmp_path, late))
    last_day = waiver("q0", expires=date(2026, 12, 1))
    found = refuse_contamination(flight(corpus, suite, settings, tmp_path, last_day))
    assert found == (replace(last_day, corpus=corpus.label),)


def test_a_corpus_of_which_calibrated_recipes_get_nothing_is_refused_by_recipe(
    tmp_path: Path, suite: Suite, settings: Settings, store: Store
) -> None:
    corpus = corpus_of(tmp_path, store, "a")
    with pytest.raises(InputError, match="would get nothing of this corpus") as caught:
        refuse_useless(flight(corpus, suite, settings, tmp_path))
    assert "Q4_K_M--imatrix: no sequence has two tokens" in caught.value.what
    assert "NVFP4" in caught.value.what and "Q8_0" not in caught.value.what


def test_little_text_is_told_for_all_recipes_that_want_more(
    tmp_path: Path, suite: Suite, settings: Settings, store: Store
) -> None:
    notes = refuse_useless(flight(corpus_of(tmp_path, store, *TRAFFIC), suite, settings, tmp_path))
    assert len(notes) == 2
    assert all("tokens it wants" in note for note in notes)


def test_what_was_found_is_kept_by_content_and_found_anew_for_another_suite(
    tmp_path: Path, suite: Suite, settings: Settings, store: Store
) -> None:
    corpus = corpus_of(tmp_path, store, *TRAFFIC, QUESTION)
    first = overlap_of(corpus, suite, store, threads=1)
    (kept,) = (store.root / "corpus-checks" / "contamination").iterdir()
    told = json.loads(kept.read_text())
    told["found"][0]["text"] = "as it was kept"
    kept.write_text(json.dumps(told))
    assert overlap_of(corpus, suite, store, threads=1).found[0].text == "as it was kept"
    less = replace(suite, items=suite.items[1:], digest=suite.digest[::-1])  # type: ignore[arg-type]  # any digest
    assert overlap_of(corpus, less, store, threads=1).found == ()
    kept.write_text("{")
    assert overlap_of(corpus, suite, store, threads=1) == first


BUILD = """\
model: model
suite: suite
corpus: corpus.yaml
recipes: [Q4_K_M--imatrix]
"""
WAIVED = BUILD + (
    "contamination_waivers:\n  - {item: q0, reason: public anyway, who: Ada, expires: 2999-01-01}\n"
)


def planned(folder: Path, settings: Settings, text: str, said: list[str]) -> BuildPlan:
    if not (folder / "model").exists():
        write_checkpoint(folder / "model")
    (folder / "build.yaml").write_text(text)
    tools = Tools(
        backends={"llamacpp": FakeBackend()},
        runtimes={"llamacpp": FakeRuntime(), "transformers": FakeRuntime()},
        run_worker=run_worker,
        report_loading=fake_loading,
    )
    spec = load_build(folder / "build.yaml", BuildOverrides(), ("Q8_0",))
    return make_plan(spec, settings, tools, said.append)


def test_a_build_is_refused_while_it_is_planned_unless_its_file_waives_the_item(
    tmp_path: Path, suite: Suite, settings: Settings
) -> None:
    written(tmp_path, *TRAFFIC, QUESTION)
    with pytest.raises(InputError, match="'q0' stands in sequence"):
        planned(tmp_path, settings, BUILD, [])
    said: list[str] = []
    plan = planned(tmp_path, settings, WAIVED, said)
    assert plan.corpus is not None
    assert plan.contamination_waivers == (waiver(corpus=plan.corpus.label),)
    assert "waived contamination of q0: public anyway (Ada, until 2999-01-01)" in said
    assert any("Q4_K_M--imatrix" in line and "tokens it wants" in line for line in said)


def test_a_waiver_that_nothing_needs_changes_no_builds_identity(
    tmp_path: Path, suite: Suite, settings: Settings
) -> None:
    written(tmp_path, *TRAFFIC)
    plain = planned(tmp_path, settings, BUILD, [])
    waived = planned(tmp_path, settings, WAIVED, [])
    assert waived.contamination_waivers == ()
    assert waived.key == plain.key


def test_a_waiver_without_reason_person_or_date_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "build.yaml").write_text(
        BUILD + "contamination_waivers:\n  - {item: q0, reason: '', expires: soon}\n"
    )
    with pytest.raises(InputError) as caught:
        load_build(tmp_path / "build.yaml", BuildOverrides(), ())
    for field in ("reason", "who", "expires"):
        assert field in caught.value.what


def test_a_waiver_stands_in_the_page_the_result_and_the_lineage_of_what_the_corpus_had_a_part_in(
    tmp_path: Path,
) -> None:
    page = replace(example_report(), contamination_waivers=(waiver(),))
    assert "contamination waived, q0: public anyway (Ada, until 2999-01-01)" in render_page(page)
    told = result_json(page)["contamination_waivers"]
    assert told == [
        {
            "item_id": "q0",
            "reason": "public anyway",
            "who": "Ada",
            "expires": "2999-01-01",
            "corpus": "",
        }
    ]
    plain = evidence_of(Sample(), Store(root=tmp_path))
    waived = replace(plain, contamination_waivers=(waiver(),))
    text = "contamination: q0: public anyway (Ada, until 2999-01-01)"
    assert version_facts(waived).waiver == text
    assert version_facts(plain).waiver == "none"
    assert waived.key != plain.key
    without = replace(
        waived, variant=replace(waived.variant, corpus_label=None, corpus_digest=None)
    )
    assert version_facts(without).waiver == "none"
