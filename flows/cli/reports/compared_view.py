"""What two builds beside each other show: facts, then runs, then items that only one of them gets right."""

from collections.abc import Iterator

from quantgate.flows.cli.views.blocks import Block, BlockRow, Heading, Sentence, TableBlock, row
from quantgate.pipelines.report.between.builds import BuildsCompared, RunsCompared, UnlikeItem
from quantgate.pipelines.report.wording import one_line, plural, points, probability

_SHOWN_ITEMS = 12


def comparison_blocks(compared: BuildsCompared) -> Iterator[Block]:
    """Yield what is shown of a comparison."""
    yield Sentence.of(f"A  {compared.first}")
    yield Sentence.of(f"B  {compared.second}")
    yield TableBlock(
        title="What differs between them",
        headings=(Heading("fact"), Heading("A"), Heading("B")),
        rows=tuple(
            row((each.what, each.first, each.second), f"{each.what}: {each.first} | {each.second}")
            for each in compared.differences
        ),
    )
    left_out = (
        f"; {compared.unlike_items} are not in both as they are" if compared.unlike_items else ""
    )
    yield Sentence.of(f"{plural(compared.same_items, 'item')} are the same in both{left_out}")
    yield _runs(compared)
    for which, names in (("A", compared.only_first), ("B", compared.only_second)):
        if names:
            yield Sentence.of(f"only in {which}: {', '.join(names)}")
    for run in compared.runs:
        yield from _items(run)


def _runs(compared: BuildsCompared) -> TableBlock:
    headings = (
        *(Heading("variant"), Heading("A"), Heading("B"), Heading("items", "right")),
        *(Heading("only A right", "right"), Heading("only B right", "right")),
        *(Heading("points, B - A", "right"), Heading("p", "right")),
    )
    return TableBlock(
        title="What became of each", headings=headings, rows=tuple(map(_row, compared.runs))
    )


def _row(run: RunsCompared) -> BlockRow:
    low, high = points(run.delta_interval.low), points(run.delta_interval.high)
    difference = f"{points(run.delta)} ({low} to {high})"
    first, second = run.first_decision or "–", run.second_decision or "–"
    return row(
        (
            *(run.name, first, second, str(run.items), str(run.only_first), str(run.only_second)),
            *(difference, probability(run.mcnemar_p)),
        ),
        f"{run.name}: {first} -> {second}, {run.items} items, only A right on {run.only_first}, only B on"
        f" {run.only_second}, B - A {difference} points, p {probability(run.mcnemar_p)}",
    )


def _items(run: RunsCompared) -> Iterator[Block]:
    if not run.unlike:
        return
    yield Sentence.of(f"{run.name}:", "bold")
    for item in run.unlike[:_SHOWN_ITEMS]:
        yield from _item(item)
    if len(run.unlike) > _SHOWN_ITEMS:
        yield Sentence.of(f"  and {len(run.unlike) - _SHOWN_ITEMS} more: --json lists them all")


def _item(item: UnlikeItem) -> Iterator[Block]:
    right = "A" if item.first_is_right else "B"
    yield Sentence.of(f"  {item.item_id} ({', '.join(item.slices)}): only {right} is right")
    for name, answer in (("A", item.first_answer), ("B", item.second_answer)):
        if answer is not None:
            yield Sentence.of(f"    {name}: {one_line(answer)}")
