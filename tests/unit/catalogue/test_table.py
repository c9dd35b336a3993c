"""The table of docs/models.md is drawn from outcomes alone."""

from pathlib import Path

import pytest

from tests.catalogue.table import (
    BEGIN,
    END,
    UNTRIED,
    catalogue_lines,
    documented,
    shortened,
    verdicts,
    write_into,
)
from tests.support.architectures.names import Architecture
from tests.support.architectures.outcomes import RECIPES, Attempt, BaseAnswer, Outcome

VERSIONS = {"transformers": "5.17.0"}


def outcome(
    name: str, *refused: str, reason: str = "no", base: BaseAnswer | None = None
) -> Outcome:
    return Outcome(
        architecture=Architecture(name=name, model_type="any"),
        parameter_count=1,
        attempts=tuple(
            Attempt(recipe=recipe, refused_by="a tool", reason=reason)
            if recipe in refused
            else Attempt(recipe=recipe)
            for recipe in RECIPES
        ),
        base=base or BaseAnswer(answer="equal", mean_kl=3e-7),
    )


def page_of(*outcomes: Outcome) -> list[str]:
    return catalogue_lines({each.architecture.name: each for each in outcomes}, VERSIONS)


def row(lines: list[str], name: str) -> str:
    return next(line for line in lines if line.startswith(f"| {name}"))


def test_a_row_says_of_every_recipe_whether_it_is_built() -> None:
    lines = page_of(outcome("OneForCausalLM", "Q4_K_M"))
    assert row(lines, "One") == "| OneForCausalLM | built | no (1) | built | built | equal, 3e-07 |"
    assert "1. a tool: no" in lines


def test_what_was_reviewed_has_a_star() -> None:
    lines = page_of(outcome("LlamaForCausalLM"))
    assert row(lines, "Llama").startswith("| LlamaForCausalLM * |")


def test_a_reason_stands_there_once_however_many_rows_name_it() -> None:
    outcomes = [outcome("A", "Q8_0", "Q4_K_M"), outcome("B", "Q8_0", reason="another")]
    lines = page_of(*outcomes)
    assert row(lines, "A").count("no (1)") == 2
    assert row(lines, "B").count("no (2)") == 1
    assert lines[-2:] == ["1. a tool: no", "2. a tool: another"]


def test_what_converts_and_computes_something_else_is_said_with_what_it_may_be() -> None:
    differs = BaseAnswer(answer="differs", mean_kl=0.25, reason="sliding_window 128")
    lines = page_of(outcome("A", base=differs))
    assert row(lines, "A").endswith("| **differs**, 2e-01 (1) |")
    assert lines[-1] == "1. in llama.cpp: sliding_window 128"


def test_what_is_equal_but_for_near_ties_says_so() -> None:
    nearly = BaseAnswer(answer="equal", mean_kl=1e-3, reason="near ties")
    lines = page_of(outcome("A", base=nearly))
    assert row(lines, "A").endswith("| equal, 1e-03 (1) |")


def test_the_summary_counts_recipes_and_answers() -> None:
    unmeasured = BaseAnswer(answer="unmeasured", reason="refused")
    lines = page_of(outcome("A", "Q8_0", base=unmeasured), outcome("B"))
    assert "2 architectures, of which are built: Q8_0 1, Q4_K_M 2" in lines[0]
    assert "for 1, something else for 0" in lines[0]


def test_what_nobody_tried_is_called_so(tmp_path: Path) -> None:
    page = tmp_path / "models.md"
    page.write_text(f"{BEGIN}{END}")
    lines = catalogue_lines({"A": outcome("A"), "B": None}, VERSIONS)
    assert lines[0].endswith("for 1, something else for 0.")
    write_into(page, lines)
    assert documented(page)["B"] == (UNTRIED,) * 5


def test_a_reason_is_one_line_without_what_ends_a_cell() -> None:
    assert shortened("a | b\n  c") == "a / b"
    assert shortened("x" * 300).endswith("x …")
    assert shortened("") == ""


def test_a_reason_names_no_folder_of_a_machine_and_its_tool_once() -> None:
    said = "killed: /tmp/pip-1/vendor/llama.cpp/ggml/src/ggml.c:3517: GGML_ASSERT(a >= b) failed"
    assert shortened(said) == "killed: src/ggml.c:3517: GGML_ASSERT(a >= b) failed"
    assert shortened("llama.cpp's converter refuses it: KeyError: 'a'") == "KeyError: 'a'"


def test_what_was_written_is_read_back_without_its_numbers(tmp_path: Path) -> None:
    page = tmp_path / "models.md"
    page.write_text(f"{BEGIN}{END}")
    differs = BaseAnswer(answer="differs", mean_kl=0.25, reason="a window")
    unmeasured = BaseAnswer(answer="unmeasured", reason="refused")
    outcomes = [
        outcome("LlamaForCausalLM"),
        outcome("GPT2LMHeadModel", "Q8_0", "Q4_K_M", base=unmeasured),
        outcome("Qwen2_5_VLForConditionalGeneration", "FP8_DYNAMIC", base=differs),
    ]
    write_into(page, page_of(*outcomes))
    assert documented(page) == {each.architecture.name: verdicts(each) for each in outcomes}
    assert documented(page)["GPT2LMHeadModel"] == ("no", "no", "built", "built", "–")


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "models.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_into(page, ["new", "lines"])
    write_into(page, ["new", "lines"])
    assert page.read_text() == f"before\n{BEGIN}\nnew\nlines\n{END}\nafter\n"


def test_a_page_without_markers_is_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "models.md"
    page.write_text("text")
    with pytest.raises(AssertionError, match="markers"):
        write_into(page, ["new"])
    assert page.read_text() == "text"
