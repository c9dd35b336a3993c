"""The workers of `math` and `judge` as child processes, and whole files of real rows through one of them."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import ServiceError
from tests.support.grading.items import expecting
from tests.support.grading.observing import grades, observed_grader
from tests.support.real_rows import real_rows
from tests.support.servers.openai_fake import FakeEngine, Fault, fake_server

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    "every", [pytest.param(25, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", ["gsm8k_test", "mgsm"])
def test_reference_answers_mean_what_is_expected_and_changed_ones_do_not(
    name: str, every: int, tmp_path: Path
) -> None:
    rows = real_rows(name)[::every]
    answered = [
        (expecting(row["expected"]), row.get("solution") or f"#### {row['expected']}")
        for row in rows
    ]
    changed = [
        (expecting(row["expected"]), f"#### {int(row['expected'].replace(',', '')) + 1}")
        for row in rows
    ]

    done = grades(observed_grader("math"), answered + changed, tmp_path)

    assert [r["id"] for r, g in zip(rows, done[: len(rows)], strict=True) if not g.correct] == []
    assert [r["id"] for r, g in zip(rows, done[len(rows) :], strict=True) if g.correct] == []


def test_a_judge_is_asked_by_a_child_process_and_its_errors_come_back(tmp_path: Path) -> None:
    engine = FakeEngine(faults=[Fault(patch={"choices": [{"message": {"content": "CORRECT"}}]})])
    with fake_server(engine) as url:
        grader = observed_grader("judge", model="j", url=url)
        (done,) = grades(grader, [(expecting("a"), "a")], tmp_path)
        engine.faults.append(Fault(status=403, body=b"no"))
        with pytest.raises(ServiceError, match="HTTP 403"):
            grades(grader, [(expecting("a"), "b")], tmp_path)

    assert done.correct
