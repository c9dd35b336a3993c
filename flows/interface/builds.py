"""Builds for programs and notebooks: run one, open a finished one, or the one that the package holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from quantgate.flows.build.results.build_result import COMPLETION, BuildResult
from quantgate.flows.cli.demo.command import write_demo_folder
from quantgate.flows.cli.demo.contents import read_demo
from quantgate.flows.interface.changes import AnswerChange, AnswerChanges
from quantgate.flows.interface.tables import frame_of, html_table
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.reading import at_home
from quantgate.pipelines.files.records import from_json, read_checked
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.report.summary import VariantRow
from quantgate.pipelines.specs.loading import did_you_mean
from quantgate.pipelines.specs.recipes import NO_RECIPES

if TYPE_CHECKING:
    from pandas import DataFrame

    from quantgate.flows.cli.quantizing.options import QuantizeOptions

_REPORTS = "reports"


@dataclass(frozen=True, slots=True)
class Build:
    """A finished build: a row a variant, and every answer that changed."""

    result: BuildResult

    @property
    def name(self) -> str:
        """What the build is called in its store."""
        return self.result.name

    @property
    def store(self) -> Store:
        """The store that it lies in."""
        return Store(root=self.result.page.parents[2])

    @property
    def page(self) -> Path:
        """The build's HTML page."""
        return self.result.page

    @property
    def variants(self) -> tuple[VariantRow, ...]:
        """One row a variant, in plan order."""
        return self.result.rows

    @property
    def smallest_passing(self) -> VariantRow | None:
        """The variant to ship: the passing one of the fewest bytes; None where none passes."""
        name = self.result.details["smallest_passing"]
        return next((row for row in self.variants if row.identifier == name), None)

    @property
    def details(self) -> JsonObject:
        """The whole result, as `quantize --json` prints it."""
        return self.result.details

    def variant(self, name: str) -> VariantRow:
        """Return a variant's row by its identifier, or by what follows the model's name in it.

        Raises:
            InputError: there is none, or several are called so.
        """
        rows = [
            row for row in self.variants if name in (row.identifier, self.result.recipe_name(row))
        ]
        if len(rows) == 1:
            return rows[0]
        names = [self.result.recipe_name(row) for row in self.variants]
        raise InputError(
            f"no variant is called '{name}'{did_you_mean(name, names)}; there are {', '.join(names)}",
            where=self.name,
            next_step="name one of these",
        )

    def changed(self, name: str) -> AnswerChanges:
        """Return every answer of a variant that changed, the broken ones first.

        Raises:
            InputError: there is no such variant.
        """
        identifier = self.variant(name).identifier
        kept = from_json(tuple[_KeptVariant, ...], self.details["variants"])
        verdict = next(each.verdict for each in kept if each.identifier == identifier)
        pairs = verdict.changed_answers if verdict else ()
        return AnswerChanges(identifier, tuple(map(_change, pairs)))

    def to_frame(self) -> "DataFrame":
        """Return a row a variant.

        Raises:
            ToolchainError: pandas is not installed.
        """
        return frame_of(self.variants, VariantRow)

    def _repr_html_(self) -> str:
        headings = (
            "variant",
            "W/A/KV",
            "MB",
            "accuracy",
            "broke",
            "worst slice",
            "verdict",
            "version",
        )
        rows = (
            (
                self.result.recipe_name(row),
                row.numerics,
                None if row.size_bytes is None else f"{row.size_bytes / 1e6:.2f}",
                None
                if row.accuracy is None
                else f"{row.reference_accuracy or 0:.1%} → {row.accuracy:.1%}",
                row.broke,
                row.worst_slice,
                row.decision,
                row.registered_version,
            )
            for row in self.variants
        )
        return html_table(headings, rows, f"{self.name}; its page: {self.page}")


class BuildOptions(TypedDict, total=False):
    """What `quantize` may be told beside the build file: options of the command of this name."""

    name: str
    suite: str | Path
    corpus: str
    recipes: Sequence[str]
    policy: str | Path
    kv: Sequence[str]
    only: str
    anyway: bool
    speed: bool
    nearest: bool
    foreign: Sequence[str]
    expand: str


def quantize(
    build_file: str | Path | None = None,
    *,
    model: str | None = None,
    **options: Unpack[BuildOptions],
) -> Build:
    """Build, judge and register variants, and return what became of them; nothing is done twice.

    Verdicts are values: a build in which nothing passes returns like any other. Progress goes to standard
    error.

    Raises:
        QuantgateError: bad input, a refused checkpoint, a missing tool, a service that does not answer.
    """
    from quantgate.flows.cli.quantizing.command import built
    from quantgate.flows.progress.board import open_board

    settings, asked = Settings.from_environment(), asked_for(build_file, model, options)
    with open_board() as board:
        result = built(asked, settings, board, lambda _plan: None)
    assert result is not None  # only a plan alone has none
    return Build(result)


def asked_for(
    build_file: str | Path | None, model: str | None, options: BuildOptions
) -> "QuantizeOptions":
    """Return what the command line would be; no recipes at all are `none`, which judges the base alone."""
    from quantgate.flows.cli.quantizing.options import QuantizeOptions

    return QuantizeOptions(
        model=model,
        name=options.get("name"),
        build_file=None if build_file is None else Path(build_file),
        suite=Path(options["suite"]) if "suite" in options else None,
        corpus=options.get("corpus"),
        recipes=(",".join(options["recipes"]) or NO_RECIPES) if "recipes" in options else None,
        policy=Path(options["policy"]) if "policy" in options else None,
        kv=",".join(options["kv"]) if "kv" in options else None,
        only=options.get("only"),
        anyway=options.get("anyway", False),
        speed=options.get("speed", False),
        nearest=options.get("nearest", False),
        foreign=tuple(options.get("foreign", ())),
        expand=options.get("expand"),
    )


def open_build(name: str) -> Build:
    """Return a finished build of the store by its name, or by any beginning of it that is only its own.

    Raises:
        InputError: there is none, or several begin so.
    """
    store = Settings.from_environment().store
    finished = sorted(path.parent.name for path in (store.root / _REPORTS).glob(f"*/{COMPLETION}"))
    names = [name] if name in finished else [each for each in finished if each.startswith(name)]
    if len(names) != 1:
        listed = (
            f"{', '.join(names)} begin so"
            if names
            else f"there are {', '.join(finished) or 'none'}"
        )
        raise InputError(
            f"no finished build is called '{name}': {listed}",
            where=str(store.root),
            next_step="give a whole name",
        )
    return Build(read_checked(BuildResult, store.report(names[0]) / COMPLETION))


def demo(folder: str | Path = "quantgate-demo") -> Build:
    """Judge the build that the package holds, as `quantgate demo` does, and return it.

    Raises:
        InputError: the folder holds something else than a demo.
    """
    _, result = write_demo_folder(read_demo(), Store(root=at_home(Path(folder)).absolute()))
    return Build(result)


@dataclass(frozen=True, slots=True)
class _KeptAnswer:
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class _KeptPair:
    item_id: str
    slices: tuple[str, ...]
    outcome: str
    stable: bool
    reference: _KeptAnswer
    variant: _KeptAnswer


@dataclass(frozen=True, slots=True)
class _KeptChanges:
    changed_answers: tuple[_KeptPair, ...]


@dataclass(frozen=True, slots=True)
class _KeptVariant:
    """What is read of a variant in a result."""

    identifier: str
    verdict: _KeptChanges | None


def _change(pair: _KeptPair) -> AnswerChange:
    return AnswerChange(
        item_id=pair.item_id,
        slices=pair.slices,
        outcome=pair.outcome,
        stable=pair.stable,
        reference=pair.reference.text,
        variant=pair.variant.text,
        reason=pair.variant.reason,
    )
