"""The smollm2 example asks what it never taught, and teaches answers that its own graders accept."""

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from quantgate.calibration.checks.contamination import contaminations
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.evaluation.graders.table import grade_answer, grader_for
from quantgate.pipelines.language.words import normalized
from quantgate.pipelines.specs.builds import BuildOverrides, load_build
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.suites.load import load_suite
from tests.support.project import EXAMPLE
from tests.support.scripts import SMOLLM2, importable_scripts

SLICES = {"facts", "sums", "extraction", "format", "refusal", "german", "long_context"}
LESSONS_OF_A_COURSE = 4_100
"""More than a course reads, batches that are drawn and not reached included."""


@pytest.fixture(scope="module", autouse=True)
def _scripts() -> Iterator[None]:
    with importable_scripts():
        yield


def taught(count: int) -> Iterator[Any]:
    """Yield so many lessons of each course."""
    lessons = import_module("lessons")
    courses = (
        (lessons.COURSE_SEED, lessons.SHARES),
        (lessons.SECOND_COURSE_SEED, lessons.SECOND_SHARES),
        (lessons.THIRD_COURSE_SEED, lessons.THIRD_SHARES),
    )
    for seed, shares in courses:
        yield from islice(lessons.lessons(seed, shares), count)


def test_suite_and_traffic_are_what_their_script_writes(tmp_path: Path) -> None:
    script = SMOLLM2 / "train" / "write_suite.py"
    subprocess.run([sys.executable, str(script), "--output", str(tmp_path)], check=True)
    for name in ("suite/items.jsonl", "traffic/messages.jsonl"):
        assert (tmp_path / name).read_bytes() == (SMOLLM2 / name).read_bytes(), name


def test_every_slice_can_prove_something_and_no_question_stands_twice() -> None:
    items = load_suite(SMOLLM2 / "suite").items
    sizes = Counter(name for item in items for name in item.slices)
    assert set(sizes) == SLICES
    assert len(items) >= 200
    assert all(count >= 30 for count in sizes.values()), sizes
    assert len({normalized(item.messages[-1].content) for item in items}) == len(items)


def test_nothing_of_either_suite_is_taught_or_calibrated_with() -> None:
    conversations = [
        ((lesson.question, lesson.answer), f"lesson {number}")
        for number, lesson in enumerate(taught(LESSONS_OF_A_COURSE))
    ]
    for line in (SMOLLM2 / "traffic" / "messages.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        question, answer = (str(message["content"]) for message in row["messages"])
        conversations.append(((question, answer), row["id"]))
    rows = [
        CorpusSequence(
            id=name,
            messages=(
                Message(role="user", content=question),
                Message(role="assistant", content=answer),
            ),
        )
        for (question, answer), name in conversations
    ]
    for folder in (SMOLLM2 / "suite", EXAMPLE / "suite"):
        assert contaminations(rows, load_suite(folder).items) == (), folder


def test_facts_of_the_suite_are_none_that_are_taught() -> None:
    facts = import_module("tasks.facts")
    for kind in facts.load_lines("facts").values():
        assert set(kind["held_out_pairs"]) < set(kind["pairs"])
    questions = {lesson.question for lesson in taught(3_000) if lesson.kind == "facts"}
    assert not {question for question in questions if "Ghana" in question or "Norway" in question}


def test_lessons_are_the_same_each_time() -> None:
    assert list(taught(200)) == list(taught(200))


def test_what_is_taught_is_right_by_the_graders_of_the_suite(tmp_path: Path) -> None:
    tasks, texts = import_module("tasks"), import_module("support_desk.texts")
    names = texts.Names(random.Random(1), texts.Population.TRAIN)
    drawn = [draw(names) for draw in tasks.FAMILIES.values() for _ in range(60)]
    rows = [
        {
            "id": str(number),
            "prompt": task.prompt,
            "expected": task.expected,
            "slices": [task.slice],
            "grader": task.grader,
        }
        for number, task in enumerate(drawn)
    ]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    spec = (SMOLLM2 / "suite" / "suite.yaml").read_text(encoding="utf-8")
    (tmp_path / "suite.yaml").write_text(spec, encoding="utf-8")
    suite = load_suite(tmp_path)
    for item, task in zip(suite.items, drawn, strict=True):
        grader = grader_for(suite.grader_of(item), suite.thoughts)
        answer = Answer(
            item_id=item.id, text=task.answer, token_ids=(), finish_reason="stop", prompt_tokens=0
        )
        grade = grade_answer(grader, answer, item).grade
        assert grade.correct, (task.prompt, task.answer, grade.reason)


def test_build_files_name_their_recipes_the_package_s_own_file_and_the_corpus() -> None:
    judged = {}
    for name in ("build.yaml", "support-desk.yaml"):
        spec = load_build(SMOLLM2 / name, BuildOverrides(), ())
        recipes = {recipe.name for recipe in find_recipes(spec.recipes, spec.folder)}
        judged[name] = (recipes, [place.name for place in spec.foreign])
        (corpus,) = spec.corpora
        assert corpus is not None
        assert load_corpus_spec(corpus).name == "small-chat-traffic"
    six, foreign = judged["build.yaml"]
    assert (len(six), foreign) == (6, ["package-Q4_1"])
    two, none = judged["support-desk.yaml"]
    assert (len(two), none) == (2, [])
    assert two < six
