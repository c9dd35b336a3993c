"""`quantgate recipes`: the catalogue, with what each recipe needs and whether it is here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.cli.views.rendering import open_console
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.domain.recipe import Calibration, Format, Recipe
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.specs.recipes import catalogue

_WIDEST = 100
_THOUSAND_TOKENS = 1024
LEGEND = (
    "W/A/KV: bits of weights, activations and KV cache; f is floating point.",
    "calibration: what is taken from the corpus, and of how many tokens at most.",
    "--json says all of a recipe; docs/recipes.md how to write one of your own.",
)
"""What is said below the tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRecipe:
    """A recipe and what its tools say is missing: None where it can be built here."""

    recipe: Recipe
    missing: str | None

    @property
    def backend(self) -> str:
        """What builds it."""
        return self.recipe.options.backend


def recipes_command(file_format: Format | None, *, as_json: bool) -> int:
    """Print the catalogue, or the part of one format."""
    tools = wire(Settings.from_environment())
    unbuildable = {name: backend.missing() for name, backend in tools.backends.items()}
    unanswerable = {name: runtime.missing() for name, runtime in tools.runtimes.items()}
    listed = tuple(
        ListedRecipe(
            recipe=recipe,
            missing=unbuildable[recipe.options.backend] or unanswerable[recipe.runtime],
        )
        for recipe in catalogue()
        if file_format in (None, recipe.format)
    )
    if as_json:
        print_json({"recipes": [_described(entry) for entry in listed]})
    else:
        show_recipes(listed, open_console())
    return 0


def show_recipes(listed: Sequence[ListedRecipe], console: Console) -> None:
    """Print one table a format, at most 100 columns wide, and what has to be installed.

    What builds all recipes of a format stands above its table, where it takes no column.
    """
    for file_format in Format:
        part = [entry for entry in listed if entry.recipe.format is file_format]
        if part:
            console.print(_table(file_format, part), width=min(console.width, _WIDEST))
    for sentence, backends in _missing(listed).items():
        console.print(Text(f"! {', '.join(backends)}: {sentence}", style="yellow"), soft_wrap=True)
    for line in LEGEND:
        console.print(line, style="dim", highlight=False)


def _table(file_format: Format, part: Sequence[ListedRecipe]) -> Table:
    runtimes = ", ".join(dict.fromkeys(entry.recipe.runtime for entry in part))
    builders = tuple(dict.fromkeys(_builder(entry) for entry in part))
    by_one = f", built by {builders[0]}" if len(builders) == 1 else ""
    table = Table(
        title=f"[bold]{file_format}[/]{by_one}, judged in {runtimes}",
        title_justify="left",
        title_style="",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("recipe", no_wrap=True)
    table.add_column("W/A/KV", no_wrap=True)
    table.add_column("algorithm", overflow="fold")
    table.add_column("calibration", no_wrap=True)
    if not by_one:
        table.add_column("built by", no_wrap=True)
    for entry in part:
        cells = (str(entry.recipe.numerics), entry.recipe.algorithm, _calibration(entry.recipe))
        table.add_row(entry.recipe.name, *cells, *(() if by_one else (_builder(entry),)))
    return table


def _builder(entry: ListedRecipe) -> str:
    return f"[yellow]! {entry.backend}[/]" if entry.missing else entry.backend


def _calibration(recipe: Recipe) -> str:
    if recipe.calibration is Calibration.NONE:
        return "–"
    return f"{recipe.calibration}, {recipe.calibration_tokens // _THOUSAND_TOKENS}k"


def _missing(listed: Sequence[ListedRecipe]) -> Mapping[str, Sequence[str]]:
    """Which backends each sentence keeps from building."""
    backends: dict[str, list[str]] = {}
    for entry in listed:
        if entry.missing and entry.backend not in backends.setdefault(entry.missing, []):
            backends[entry.missing].append(entry.backend)
    return backends


def _described(entry: ListedRecipe) -> JsonObject:
    recipe = to_json(entry.recipe)
    described: dict[str, JsonValue] = recipe if isinstance(recipe, dict) else {}
    return described | {
        "backend": entry.backend,
        "installed": entry.missing is None,
        "missing": entry.missing,
    }
