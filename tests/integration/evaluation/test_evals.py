"""lm-evaluation-harness writes items and scores answers; inspect-ai opens what is exported."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from inspect_ai.log import read_eval_log

from quantgate.flows.settings import Settings
from quantgate.pipelines.authoring.lm_eval import copy_suite, import_task
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.evaluation.grading import grade_answers
from quantgate.pipelines.evaluation.lm_eval_messages import LmEvalTask
from quantgate.pipelines.evaluation.logs.reading import read_log
from quantgate.pipelines.evaluation.observing import ObservationRunner
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import WorkerCall, ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.report.inspect_messages import InspectCall, InspectWritten
from quantgate.pipelines.suites.load import load_suite
from tests.support.verdicts.judging import run_of, suite_of

pytestmark = pytest.mark.integration

DOCS = (("snow", "white"), ("grass", "green"), ("coal", "black"))


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one task of our own, and one that scores log-probabilities."""
    folder = tmp_path_factory.mktemp("tasks")
    rows = folder / "colours.jsonl"
    rows.write_text("".join(json.dumps({"thing": t, "colour": c}) + "\n" for t, c in DOCS))
    task = {
        "task": "colours_made_up",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(rows)}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "What colour is {{thing}}?",
        "doc_to_target": "{{colour}}",
        "generation_kwargs": {"until": ["\n"], "do_sample": False, "max_gen_toks": 12},
        "filter_list": [
            {"name": "lower", "filter": [{"function": "lowercase"}, {"function": "take_first"}]}
        ],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": 1.0},
    }
    (folder / "colours.yaml").write_text(yaml.safe_dump(task))
    ranked = task | {
        "task": "colours_ranked",
        "output_type": "multiple_choice",
        "doc_to_choice": [colour for _, colour in DOCS],
        "metric_list": [{"metric": "acc"}],
    }
    del ranked["generation_kwargs"], ranked["filter_list"]
    (folder / "ranked.yaml").write_text(yaml.safe_dump(ranked))
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(Settings.from_environment({}), store=Store(root=tmp_path / "store"))


def answers(suite: Suite, texts: list[str]) -> list[Answer]:
    return [
        Answer(item_id=item.id, text=text, token_ids=(1,), finish_reason="stop", prompt_tokens=3)
        for item, text in zip(suite.items, texts, strict=True)
    ]


def test_a_task_becomes_a_suite_whose_answers_the_harness_scores(
    tasks: Path, settings: Settings, tmp_path: Path
) -> None:
    task = LmEvalTask(name="colours_made_up", include=tasks)

    folder = import_task(task, settings.store, run_worker)
    copy_suite(folder, tmp_path / "mine")
    suite = load_suite(tmp_path / "mine")

    first = suite.items[0]
    assert [item.id for item in suite.items] == [f"colours_made_up/{n}" for n in range(3)]
    assert first.messages[0].content == "What colour is snow?"
    assert suite.decode_of(first).stop == ("\n",)
    assert suite.decode_of(first).max_tokens == 12
    observation_runner = ObservationRunner(store=settings.store, run_worker=run_worker)
    given = answers(suite, ["White", "green", "dark grey"])
    graded = grade_answers(suite, given, observation_runner)
    assert [one.grade.correct for one in graded] == [True, True, False]
    assert graded[0].grade.reason == "exact_match is 1"
    with pytest.raises(InputError, match="a suite here already"):
        copy_suite(folder, tmp_path / "mine")


def test_without_a_chat_the_harness_text_is_completed_as_it_stands(
    tasks: Path, settings: Settings
) -> None:
    task = LmEvalTask(name="colours_made_up", include=tasks, chat=False, shots=1, limit=1)

    (item,) = load_suite(import_task(task, settings.store, run_worker)).items

    assert item.raw
    assert item.messages[0].content.endswith("What colour is snow?")
    assert item.messages[0].content.count("What colour") == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("colours_ranked", "scores log-probabilities"),
        ("no_such_task_anywhere", "has no task 'no_such_task_anywhere'"),
    ],
)
def test_a_task_that_cannot_be_asked_is_refused_in_a_sentence(
    name: str, said: str, tasks: Path, settings: Settings
) -> None:
    with pytest.raises(InputError, match=said):
        import_task(LmEvalTask(name=name, include=tasks), settings.store, run_worker)

    assert not list((settings.store.root / "suites").glob("lm-eval*"))


def test_inspect_opens_an_exported_run_and_finds_every_sample(tmp_path: Path) -> None:
    suite = suite_of([("plain",), ("plain",), ("tail",), ("never asked",)])
    run = run_of(suite, ["yes", "no", "yes", "yes"], subject="demo--Q4_K_M")
    sampled = replace(run.answers[2], samples=(run.answers[2], run.answers[1]))
    run = replace(run, answers=(*run.answers[:2], sampled))
    file = tmp_path / "run.eval"
    call = WorkerCall(
        module="quantgate.pipelines.report.workers.inspect_write",
        request=InspectCall(
            run=run,
            suite=suite,
            output=file,
            created_at="2026-11-21T10:00:00+00:00",
            quantgate="0.1.0",
        ),
        log=tmp_path / "log",
        threads=1,
    )

    written = run_worker(call, InspectWritten, ignore_progress).value

    log = read_eval_log(str(file))
    assert written.samples == 4
    assert log.status == "success"
    assert (log.eval.task, log.eval.model) == ("support-desk", "demo--Q4_K_M")
    assert log.results is not None
    assert log.results.scores[0].metrics["accuracy"].value == pytest.approx(2 / 3)
    assert log.samples is not None
    assert [(s.id, s.epoch) for s in log.samples] == [
        ("i-0", 1),
        ("i-1", 1),
        ("i-2", 1),
        ("i-2", 2),
    ]
    first = log.samples[0]
    assert first.output.completion == "yes"
    assert log.eval.metadata is not None
    assert log.eval.metadata["contract"]["runtime"]["kv_cache"] == "f16"
    assert first.scores is not None
    assert first.scores["correct"].value == "C"
    assert first.scores["correct"].metadata == {"score": 1.0, "grader": "exact@1"}

    read = read_log(file)  # what inspect wrote by zstd is read without it
    assert [answer.correct for answer in read.answers] == [True, False, True]
    assert [answer.text for answer in read.answers] == ["yes", "no", "yes"]
    assert [[answer.correct for answer in again] for again in read.repeats] == [
        [True, False, False]
    ]
