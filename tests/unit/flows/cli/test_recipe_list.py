"""`quantgate recipes` as people and programs read it."""

import io
import json
from pathlib import Path

from click.testing import CliRunner
from rich.console import Console

from quantgate.flows.cli.main import main
from quantgate.flows.cli.recipes import LEGEND, ListedRecipe, show_recipes
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.specs.recipes import catalogue

WIDTH = 100


def printed(missing: str | None = None, width: int = WIDTH) -> str:
    console = Console(file=io.StringIO(), width=width)
    show_recipes([ListedRecipe(recipe=r, missing=missing) for r in catalogue()], console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_recipe_stands_whole_on_a_line_of_a_hundred_columns() -> None:
    lines = printed().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= WIDTH
    firsts = [line.split()[0] for line in lines if line.strip()]
    for recipe in catalogue():
        assert recipe.name in firsts
        (line,) = [one for one in lines if one.split()[:1] == [recipe.name]]
        assert str(recipe.numerics) in line
        title = next(one for one in lines if one.startswith(f"{recipe.format},"))
        assert recipe.options.backend in line or f"built by {recipe.options.backend}," in title


def test_in_eighty_columns_only_long_algorithms_take_a_second_line() -> None:
    lines = printed(width=80).splitlines()
    assert max(len(line.rstrip()) for line in lines[: -len(LEGEND)]) <= 80
    seconds = [line for line in lines if line.startswith("  ") and line.strip()]
    assert len(seconds) < len(catalogue()) / 5, seconds


def test_recipes_are_grouped_by_format_largest_first() -> None:
    text = printed()
    built = {recipe.format for recipe in catalogue()}
    starts = [text.find(f"{one}, ") for one in Format if one in built]
    assert starts == sorted(starts)
    assert text.find(" Q8_0 ") < text.find(" Q2_K ")


def test_what_is_missing_is_marked_and_said_once() -> None:
    text = printed(missing="it is not installed: run `make setup`")
    assert "! llamacpp" in text
    assert text.count("run `make setup`") == 1


def test_json_tells_everything_of_one_format(tmp_path: Path) -> None:
    arguments = ["recipes", "--format", "gguf", "--json"]
    finished = CliRunner().invoke(main, arguments, env={"QUANTGATE_STORE": str(tmp_path)})
    assert finished.exit_code == 0
    listed = json.loads(finished.output)["recipes"]
    assert {one["format"] for one in listed} == {"gguf"}
    assert {one["name"] for one in listed} == {
        recipe.name for recipe in catalogue() if recipe.format is Format.GGUF
    }
    assert {"numerics", "calibration", "backend", "installed", "missing", "runtime"} < set(
        listed[0]
    )


def test_a_format_that_is_none_is_refused_with_those_there_are() -> None:
    finished = CliRunner().invoke(main, ["recipes", "--format", "zip"])
    assert finished.exit_code == 2
    assert "'gguf', 'compressed-tensors', 'awq', 'gptq'" in finished.output
