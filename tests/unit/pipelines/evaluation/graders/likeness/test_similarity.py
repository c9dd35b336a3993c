"""Similarity is graded by what the embedding worker saw; the model's content is part of its identity."""

import json
from pathlib import Path

import pytest

from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.graders.protocol import ObservedGrader
from quantgate.pipelines.evaluation.observing import ObserveCall, ObserveTally
from quantgate.pipelines.process.calls import OnProgress
from tests.support.grading.items import expecting
from tests.support.grading.observing import InPlace, grades, observed_grader


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def grader(folder: Path) -> ObservedGrader:
    return observed_grader("similarity", model=str(folder))


def first_letters(call: ObserveCall, on_progress: OnProgress) -> ObserveTally:
    """A worker for which texts are alike where they begin alike."""
    rows = [json.loads(line) for line in call.questions.read_text().splitlines()]
    with call.observations.open("w") as file:
        for row in rows:
            answer, references = row["question"]["answer"], row["question"]["references"]
            cosines = [0.9 if one[:1] == answer[:1] else -0.1 for one in references]
            file.write(json.dumps({"id": row["id"], "observation": {"cosines": cosines}}) + "\n")
    return ObserveTally(observed=len(rows))


def test_the_nearest_reference_counts(grader: ObservedGrader, tmp_path: Path) -> None:
    item = expecting(["apple", "pear"])

    done = grades(grader, [(item, "plum"), (item, "fig")], tmp_path / "s", InPlace(first_letters))

    assert [(grade.correct, grade.score) for grade in done] == [(True, 0.9), (False, 0.0)]
    assert [g.reason for g in done] == ["cosine 0.900, at least 0.8", "cosine -0.100, below 0.8"]


@pytest.mark.parametrize(
    "seen", [None, {}, {"cosines": []}, {"cosines": ["1"]}, {"cosines": [float("nan")]}, 3]
)
def test_what_was_not_embedded_is_wrong(grader: ObservedGrader, seen: JsonValue) -> None:
    grade = grader.grade_observed("a", expecting("a"), seen)

    assert (grade.correct, grade.reason) == (False, "the answer was not embedded")


def test_no_answer_is_wrong_however_near_nothing_is(grader: ObservedGrader) -> None:
    grade = grader.grade_observed("<|im_end|>", expecting("a"), {"cosines": [1.0]})

    assert (grade.correct, grade.score, grade.reason) == (False, 0.0, "no answer")


def test_another_model_in_the_same_folder_is_another_identity(
    grader: ObservedGrader, folder: Path
) -> None:
    before = grader.options
    (folder / "model.safetensors").write_text("other weights")

    assert grader.options["model_digest"] != before["model_digest"]


def test_a_missing_model_and_a_missing_reference_are_problems(
    grader: ObservedGrader, folder: Path
) -> None:
    assert grader.problem(expecting("a")) is None
    assert grader.problem(expecting([])) == "the list of accepted texts is empty"
    (folder / "tokenizer.json").unlink()
    assert "has no tokenizer.json" in (grader.problem(expecting("a")) or "")
