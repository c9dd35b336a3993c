"""Logs of lm-evaluation-harness: one metric decides a file, and one model answers."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.evaluation.logs.lm_eval import read_lm_eval, sample_files
from quantgate.pipelines.evaluation.logs.reading import read_log


def sample(number: int, **metrics: float) -> JsonObject:
    return {
        "doc_id": number, "target": "x", "resps": [["said"]], "filter": "none",
        "metrics": list(metrics), **metrics,
    }  # fmt: skip


def written(folder: Path, rows: Sequence[JsonObject], task: str = "qa") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"samples_{task}_2026-11-01T10-00-00.000001.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_graded_metric_that_happens_to_be_1_in_a_row_does_not_decide_it(tmp_path: Path) -> None:
    rows = [sample(0, f1=1.0, exact=0.0), sample(1, f1=0.5, exact=0.0), sample(2, f1=1.0, exact=1)]
    run = read_lm_eval((written(tmp_path / "m", rows),), tmp_path / "m")
    assert [answer.correct for answer in run.answers] == [False, False, True]
    assert run.grader == "exact (none)"


def test_where_no_metric_says_right_or_wrong_of_all_rows_nothing_does(tmp_path: Path) -> None:
    rows = [sample(0, f1=1.0), sample(1, f1=0.5)]
    run = read_lm_eval((written(tmp_path / "m", rows),), tmp_path / "m")
    assert [answer.correct for answer in run.answers] == [None, None]
    assert run.grader == ""


def test_logs_of_two_models_are_not_mixed(tmp_path: Path) -> None:
    for model in ("org__base", "org__quant"):
        written(tmp_path / model, [sample(0, exact=1)])
    with pytest.raises(InputError, match="several models: org__base, org__quant") as refused:
        read_log(tmp_path)
    assert "name the folder of one" in str(refused.value)


def test_the_model_is_the_folder_of_its_files_however_deep(tmp_path: Path) -> None:
    for task in ("a", "b"):
        written(tmp_path / task / "org__base", [sample(0, exact=1)], task)
    files = sample_files(tmp_path)
    assert read_lm_eval(files, tmp_path).model == "org__base"
    assert len(files) == 2
