"""`quantgate judge` on logs of other tools: by their grades, by a suite's graders, and for agreement."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from quantgate.flows.cli.main import main

BROKEN = 7
ITEMS = 40


def said(number: int, *, broken: bool) -> str:
    return f"It is {number + broken}."


def judged(folder: Path, *arguments: object) -> Result:
    return CliRunner().invoke(
        main, ["judge", *map(str, arguments)], env={"QUANTGATE_STORE": str(folder / "store")}
    )


def lines(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def lm_eval(folder: Path, broken: int) -> Path:
    """A folder as `lm_eval --log_samples --output_path` leaves it, two filters a document."""
    rows = [
        {
            "doc_id": number, "doc": {"question": "?"}, "target": str(number),
            "arguments": [["asked", {"until": []}]], "resps": [[said(number, broken=number < broken)]],
            "filtered_resps": [str(number)], "filter": name, "metrics": ["exact_match"],
            "doc_hash": "a", "prompt_hash": f"p{number}", "target_hash": "c",
            "exact_match": float(number >= broken) if name == "strict-match" else 1.0,
        }
        for number in range(ITEMS)
        for name in ("strict-match", "flexible-extract")
    ]  # fmt: skip
    lines(folder / "model" / "samples_sums_2026-11-01T10-00-00.000001.jsonl", rows)
    return folder / "model"


def promptfoo(path: Path, broken: int) -> Path:
    """Two providers in one file; only the second one breaks anything."""
    results = [
        {
            "testIdx": number, "promptIdx": 0, "provider": {"id": provider, "label": ""},
            "prompt": {"raw": f"What is {number}?", "label": "p"}, "vars": {"n": number},
            "response": {"output": said(number, broken=breaks)}, "success": not breaks,
            "score": float(not breaks), "gradingResult": {"pass": not breaks, "reason": "Expected"},
            "testCase": {"vars": {"n": number}, "metadata": {"category": "odd" if number % 2 else "even"}},
        }
        for provider in ("base", "quant")
        for number in range(ITEMS)
        for breaks in [provider == "quant" and number < broken]
    ]  # fmt: skip
    path.write_text(json.dumps({"version": 3, "results": {"version": 3, "results": results}}))
    return path


def inspect(path: Path, broken: int, *, epochs: int = 1) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "header.json", json.dumps({"eval": {"model": path.stem}, "status": "success"})
        )
        for epoch in range(1, epochs + 1):
            for number in range(ITEMS):
                breaks = number < broken
                # From the second epoch on the last item is answered otherwise.
                right = not breaks and not (epoch > 1 and number == ITEMS - 1)
                message = {
                    "role": "assistant",
                    "content": [{"type": "text", "text": said(number, broken=not right)}],
                }
                sample = {
                    "id": number, "epoch": epoch, "input": f"What is {number}?", "target": str(number),
                    "output": {"choices": [{"message": message, "stop_reason": "stop"}]},
                    "scores": {"match": {"value": "C" if right else "I"}}, "metadata": {},
                }  # fmt: skip
                archive.writestr(f"samples/{number}_epoch_{epoch}.json", json.dumps(sample))
    return path


def plain(path: Path, broken: int, *, graded: bool = False) -> Path:
    rows: list[dict[str, Any]] = [
        {"id": f"q{number}", "answer": said(number, broken=number < broken)}
        for number in range(ITEMS)
    ]
    if graded:
        for number, row in enumerate(rows):
            row["correct"] = number >= broken
    return lines(path, rows)


def test_logs_of_lm_eval_are_judged_by_their_first_filter(tmp_path: Path) -> None:
    result = judged(tmp_path, lm_eval(tmp_path / "a", 0), lm_eval(tmp_path / "b", BROKEN))
    assert result.exit_code == 10, result.output
    assert f"{BROKEN}/{ITEMS}" in result.output
    assert "own grades: exact_match (strict-match)" in result.output


def test_providers_of_promptfoo_are_told_apart_and_categories_are_slices(tmp_path: Path) -> None:
    log = promptfoo(tmp_path / "out.json", BROKEN)
    refused = judged(tmp_path, log, log)
    assert (refused.exit_code, "there are base, quant" in refused.output) == (2, True)
    result = judged(tmp_path, f"{log}#base", f"{log}#quant", "--json")
    value = json.loads(result.stdout)
    assert (result.exit_code, value["subject"], value["decision"]) == (10, "quant", "fail")
    assert [each["name"] for each in value["slices"]] == ["even", "odd"]
    assert value["graded_by"] == "promptfoo's own grades: its assertions"


def test_epochs_of_inspect_are_the_noise_floor(tmp_path: Path) -> None:
    result = judged(
        tmp_path, inspect(tmp_path / "a.eval", 0, epochs=3), inspect(tmp_path / "b.eval", 0)
    )
    assert result.exit_code == 0, result.output
    assert f"0/{ITEMS - 1}" in result.output  # one item is unstable
    assert "answered once" not in result.output


def test_plain_lines_need_grades_a_suite_or_the_wish_for_agreement(tmp_path: Path) -> None:
    base, other = plain(tmp_path / "a.jsonl", 0), plain(tmp_path / "b.jsonl", BROKEN)
    asked = judged(tmp_path, base, other)
    assert (asked.exit_code, "ask for --agreement" in asked.output) == (2, True)
    agreed = judged(tmp_path, base, other, "--agreement")
    assert (agreed.exit_code, f"{BROKEN}/{ITEMS}" in agreed.output) == (10, True)
    assert "agreement with the reference by equal words: this is no correctness" in agreed.output
    graded = judged(
        tmp_path, plain(tmp_path / "c.jsonl", 0, graded=True), plain(tmp_path / "d.jsonl", 0, graded=True)
    )  # fmt: skip
    assert graded.exit_code == 0


def suite(folder: Path, *, written: bool) -> Path:
    items = [
        {"id": f"q{n}", "prompt": f"What is {n}?", "expected": n if written else None, "slices": ["s"],
         **({} if written else {"draft": {"source": "x"}})}
        for n in range(ITEMS)
    ]  # fmt: skip
    lines(folder / "items.jsonl", items)
    (folder / "suite.yaml").write_text(
        "name: sums\nversion: 1\ngrader: {kind: number}\ndecode: {max_tokens: 9}\nslices: {s: {}}\n"
    )
    return folder


def test_a_suites_graders_judge_what_others_logged(tmp_path: Path) -> None:
    base, other = plain(tmp_path / "a.jsonl", 0), plain(tmp_path / "b.jsonl", BROKEN)
    result = judged(tmp_path, base, other, "--suite", suite(tmp_path / "s", written=True))
    assert (result.exit_code, "graded by the graders of sums@1" in result.output) == (10, True)


def test_agreement_by_a_suites_graders_needs_no_expectations_and_sees_through_wording(
    tmp_path: Path,
) -> None:
    base = plain(tmp_path / "a.jsonl", 0)
    reworded = lines(
        tmp_path / "b.jsonl",
        [{"id": f"q{n}", "answer": f"So the answer is {n}"} for n in range(ITEMS)],
    )
    folder = suite(tmp_path / "s", written=False)
    result = judged(tmp_path, base, reworded, "--agreement", "--suite", folder)
    assert result.exit_code == 0, result.output
    assert "by the suite's graders: this is no correctness" in result.output
    assert judged(tmp_path, base, reworded, "--agreement").exit_code == 10


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": "q0", "answer": "x"}], "has no answer of q1, q2, q3, q4, q5 and 34 more"),
        ([{"id": "q0"}], "line 1 has no answer"),
        ([{"answer": "x"}], "line 1 has no id"),
        ([{"id": "q0", "answer": "x"}] * 2, "has several answers of q0"),
        ([], "holds no answers"),
    ],
)  # fmt: skip
def test_logs_that_cannot_be_paired_say_why(
    tmp_path: Path, rows: list[dict[str, Any]], said: str
) -> None:
    base, other = plain(tmp_path / "a.jsonl", 0), lines(tmp_path / "b.jsonl", rows)
    result = judged(tmp_path, base, other, "--agreement")
    assert (result.exit_code, said in result.output) == (2, True), result.output


def test_other_prompts_are_no_pair(tmp_path: Path) -> None:
    rows = [{"id": str(n), "answer": "x", "correct": True, "prompt": f"p{n}"} for n in range(30)]
    base = lines(tmp_path / "a.jsonl", rows)
    other = lines(tmp_path / "b.jsonl", [*rows[:-1], {**rows[-1], "prompt": "changed"}])
    result = judged(tmp_path, base, other)
    assert (result.exit_code, "was asked otherwise in 29" in result.output) == (2, True)


def test_what_is_no_log_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.eval").write_text("no zip")
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    for name, words in (
        ("a.eval", "not a zip archive"),
        ("a.json", "a log of no tool"),
        ("empty", "no samples_*.jsonl"),
        ("nowhere", "no such file"),
    ):
        result = judged(tmp_path, tmp_path / name, tmp_path / name)
        assert (result.exit_code, words in result.output) == (2, True), result.output


def test_logs_of_different_graders_are_no_pair(tmp_path: Path) -> None:
    rubric = lines(
        tmp_path / "r.jsonl", [{"id": str(n), "answer": "x", "correct": True} for n in range(ITEMS)]
    )
    base = lm_eval(tmp_path / "a", 0)
    for arguments in ((base, rubric), (base, lm_eval(tmp_path / "b", 0), "--repeat", rubric)):
        result = judged(tmp_path, *arguments)
        assert result.exit_code == 2, result.output
        said = " ".join(result.output.split())
        assert (
            f"{rubric}: cannot be paired: it was graded by JSON lines: `correct` of each line"
            in said
        )
        assert "the reference by lm-evaluation-harness: exact_match (strict-match)" in said
    assert judged(tmp_path, base, rubric, "--agreement").exit_code == 10


def test_graders_that_are_named_in_another_order_are_the_same(tmp_path: Path) -> None:
    def log(path: Path, numbers: Sequence[int]) -> Path:
        samples = [
            {"id": n, "epoch": 1, "input": f"What is {n}?", "target": str(n), "metadata": {},
             "output": {"choices": [{"message": {"content": str(n)}, "stop_reason": "stop"}]},
             "scores": {"match" if n % 2 else "includes": {"value": "C"}}}
            for n in numbers
        ]  # fmt: skip
        path.write_text(
            json.dumps({"eval": {"model": path.stem}, "status": "success", "samples": samples})
        )
        return path

    first = log(tmp_path / "a.json", range(ITEMS))
    second = log(tmp_path / "b.json", range(ITEMS)[::-1])
    assert judged(tmp_path, first, second).exit_code == 0


def test_the_log_that_says_nothing_of_right_and_wrong_is_the_one_named(tmp_path: Path) -> None:
    graded = plain(tmp_path / "a.jsonl", 0, graded=True)
    silent = plain(tmp_path / "b.jsonl", 0)
    result = judged(tmp_path, graded, silent)
    assert (result.exit_code, f"{silent}: does not say" in result.output) == (2, True), (
        result.output
    )
