"""Suite folders: `suite.yaml` beside its items, or beside nothing where it says where items come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.registrable import slice_problems
from quantgate.pipelines.domain.suites.anchor import AnchorLabel
from quantgate.pipelines.domain.suites.suite import GraderSpec, Item, SliceSpec, Suite
from quantgate.pipelines.domain.values import Digest, JsonObject
from quantgate.pipelines.files.reading import holds_file
from quantgate.pipelines.hub.table_source import ReadTable
from quantgate.pipelines.specs.loading import did_you_mean, load_yaml
from quantgate.pipelines.suites.adjudications import ADJUDICATIONS_FILE, load_adjudications
from quantgate.pipelines.suites.anchors import load_anchor
from quantgate.pipelines.suites.constrained import asked_both_ways, slices_both_ways
from quantgate.pipelines.suites.digest import suite_digest
from quantgate.pipelines.suites.files import SuiteSpec
from quantgate.pipelines.suites.items import Placed, place_of, read_items
from quantgate.pipelines.suites.long_context import long_slice
from quantgate.pipelines.suites.loops import scripted
from quantgate.pipelines.suites.problems import Problem, refused
from quantgate.pipelines.suites.sources import ItemsFile
from quantgate.pipelines.suites.stretching import chosen_items, clustered, stretched

SUITE_FILE = "suite.yaml"
WHOLE = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedSuite:
    """A suite as far as it can be read, and all that is wrong with it.

    `items_at` names the place items come from, `lines` where each stands in it by id; stretched items
    stand nowhere. `drafts` are ids of items whose expectation is not written yet.
    """

    suite: Suite | None
    spec: SuiteSpec
    items_at: str
    lines: Mapping[str, int]
    drafts: frozenset[str]
    problems: tuple[Problem, ...]


def load_suite(folder: Path, read_table: ReadTable | None = None) -> Suite:
    """Read a suite folder; its digest covers name, version, grader, decode settings, slices, items.

    `read_table` reads what needs a child process: parquet files and hub datasets.

    Raises:
        InputError: with every problem of the file at fault and its lines.
        ToolchainError, ServiceError, WorkerError: where a table cannot be read.
    """
    examined = examine_suite(folder, read_table)
    if examined.problems or examined.suite is None:
        raise refused(examined.problems)
    return examined.suite


def examine_suite(folder: Path, read_table: ReadTable | None = None) -> ExaminedSuite:
    """Read a suite folder, going on where something is wrong.

    Raises:
        InputError: where there is no suite file, or it or the source of items cannot be used at all.
        ToolchainError, ServiceError, WorkerError: where a table cannot be read.
    """
    path = folder / SUITE_FILE
    if not holds_file(path):
        raise _no_suite(folder)
    spec = load_yaml(path, SuiteSpec)
    placed, problems = read_items(spec.items, folder, read_table)
    items_at = place_of(spec.items, folder)
    decode = spec.decode.settings()
    unscripted = tuple(_declared(entry.row.item(decode), spec) for entry in placed)
    items, broken = scripted(unscripted, placed, spec.loops, folder, items_at)
    problems = (*problems, *broken)
    problems = (*problems, *_problems(placed, items, spec, items_at, complete=not problems))
    suite: Suite | None = None
    try:
        suite = _suite(spec, _asked(spec, placed, items), folder) if items else None
    except InputError as error:
        problems = (*problems, Problem(where=error.where or str(path), text=error.what))
        suite = _suite(spec.model_copy(update={"long_context": None}), items, folder)
    if suite is not None:
        named = slice_problems(slice_spec.name for slice_spec in suite.slices)
        problems = (*problems, *(Problem(where=items_at, text=text) for text in named))
    return ExaminedSuite(
        suite=suite,
        spec=spec,
        items_at=items_at,
        lines={item.id: entry.line for entry, item in zip(placed, items, strict=True)},
        drafts=frozenset(entry.row.id for entry in placed if entry.row.is_incomplete),
        problems=problems,
    )


def _no_suite(folder: Path) -> InputError:
    if folder.is_dir():
        what = f"no {SUITE_FILE} in this folder"
    else:
        what = "is a file, not a folder" if folder.exists() else "there is no such folder"
    return InputError(
        what,
        where=str(folder),
        next_step="a suite is a folder with suite.yaml and items.jsonl; "
        "examples/support-desk/suite is one to copy",
    )


def _asked(spec: SuiteSpec, placed: Sequence[Placed], items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Return the items as they are asked: freely and bound by their schemas, where it says so."""
    if spec.decode.constrained != "both":
        return items
    decided_ids = frozenset(
        entry.row.id
        for entry in placed
        if entry.row.decode is not None and entry.row.decode.constrained is not None
    )
    return asked_both_ways(items, spec.decode.settings(), decided_ids)


def _declared(item: Item, spec: SuiteSpec) -> Item:
    """Drop slices that the suite file does not name, where it says so."""
    if spec.items.other_slices != "ignore":
        return item
    return replace(item, slices=tuple(name for name in item.slices if name in spec.slices))


def _problems(
    placed: Sequence[Placed],
    items: Sequence[Item],
    spec: SuiteSpec,
    items_at: str,
    *,
    complete: bool,
) -> list[Problem]:
    """What is wrong with items that can be read; `complete` says that there are no others."""
    if not items:
        return [Problem(where=items_at, text="there are no items")] if complete else []
    texts = [text for entry in placed for text in _item_problems(entry, spec)]
    problems = [Problem(where=items_at, line=line, text=text) for line, text in texts]
    problems += _twice(placed, items_at)
    if WHOLE in spec.slices:
        text = f"no slice may be called '{WHOLE}': that is the whole suite"
        problems.append(Problem(where=items_at, text=text))
    if complete:
        named = {name for item in items for name in item.slices} | set(_long_slices(spec))
        problems += [
            Problem(where=items_at, text=f"slice '{name}' has no items")
            for name in spec.slices
            if name not in named
        ]
    return problems


def _item_problems(entry: Placed, spec: SuiteSpec) -> list[tuple[int, str]]:
    texts = []
    if entry.row.is_incomplete:
        texts.append("a draft without an expectation: write its `expected`, or take it out")
    unknown = [name for name in entry.row.slices if name not in spec.slices]
    if spec.items.other_slices == "refuse":
        texts += [
            f"slice '{name}' is not in {SUITE_FILE}{did_you_mean(name, tuple(spec.slices))}"
            for name in unknown
        ]
    elif spec.items.other_slices == "ignore" and len(unknown) == len(entry.row.slices):
        texts.append(f"item '{entry.row.id}' is in no slice that {SUITE_FILE} names")
    return [(entry.line, text) for text in texts]


def _twice(placed: Sequence[Placed], items_at: str) -> list[Problem]:
    lines: dict[str, list[int]] = {}
    for entry in placed:
        lines.setdefault(entry.row.id, []).append(entry.line)
    return [
        Problem(
            where=items_at,
            line=numbers[1],
            text=f"item id '{item_id}' stands here {len(numbers)} times, first in line {numbers[0]}",
        )
        for item_id, numbers in lines.items()
        if len(numbers) > 1
    ]


def _long_slices(spec: SuiteSpec) -> list[str]:
    return [long_slice(length) for length in spec.long_context.lengths] if spec.long_context else []


def _long_context(spec: SuiteSpec, items: Sequence[Item]) -> tuple[Item, ...]:
    """Return the items that are to be stretched.

    Raises:
        InputError: where a slice is not in the suite, or has no items.
    """
    assert spec.long_context is not None
    for name in spec.long_context.slices:
        if not any(name in item.slices for item in items):
            raise InputError(
                f"long_context: slice '{name}' has no items{did_you_mean(name, tuple(spec.slices))}",
                where=SUITE_FILE,
                next_step="name a slice that has items, or leave it out",
            )
    return chosen_items(spec.long_context, items)


def _slices(spec: SuiteSpec, items: Sequence[Item]) -> tuple[SliceSpec, ...]:
    """Slices as the suite file names them, then those that only items name, where it says so."""
    named = tuple(
        SliceSpec(name=name, description=slice_file.description, critical=slice_file.critical)
        for name, slice_file in spec.slices.items()
    )
    source: ItemsFile = spec.items
    if source.other_slices != "declare":
        return named
    others = dict.fromkeys(name for item in items for name in item.slices)
    return (
        *named,
        *(SliceSpec(name=name, description="") for name in others if name not in spec.slices),
    )


def _suite(spec: SuiteSpec, items: tuple[Item, ...], folder: Path) -> Suite:
    grader = spec.grader.spec()
    decode = spec.decode.settings()
    thoughts = spec.thoughts.thoughts()
    slices = slices_both_ways(_slices(spec, items), items)
    if spec.long_context is not None:
        chosen = _long_context(spec, items)
        longer = stretched(spec.long_context, chosen, folder, decode)
        items = (*clustered(items, chosen), *longer.items)
        slices = (
            *slices,
            *(slice_spec for slice_spec in longer.slices if slice_spec.name not in spec.slices),
        )
    variables = cast("JsonObject", spec.template_variables)
    suite = Suite(
        name=spec.name,
        version=spec.version,
        description=spec.description,
        folder=folder,
        digest=Digest(""),
        grader=grader,
        decode=decode,
        slices=slices,
        items=items,
        adjudications=load_adjudications(folder / ADJUDICATIONS_FILE),
        anchors=_anchors(grader, items, folder),
        thoughts=thoughts,
        template_variables=variables,
    )
    return replace(suite, digest=suite_digest(suite, variables))


def _anchors(grader: GraderSpec, items: Sequence[Item], folder: Path) -> tuple[AnchorLabel, ...]:
    """Return people's labels from every anchor file that a grader of this suite names."""
    graders = [grader, *(item.grader for item in items if item.grader is not None)]
    files = dict.fromkeys(str(grader_spec.options.get("anchor") or "") for grader_spec in graders)
    return tuple(label for name in files if name for label in load_anchor(folder / name))
