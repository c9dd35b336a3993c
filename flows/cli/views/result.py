"""What a person sees at the end of a build: tables and a few plain sentences."""

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from quantgate.flows.build.results.build_result import BuildResult
from quantgate.flows.build.results.unit_error import REGISTER
from quantgate.flows.build.tracking import UNREACHABLE
from quantgate.flows.cli.views.choosing.search import search_lines
from quantgate.flows.cli.views.folding import Column, folded
from quantgate.flows.cli.views.sizes import megabytes
from quantgate.pipelines.report.summary import VariantRow, base_warnings

_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow", "error": "magenta"}
_SYMBOLS = {"pass": "✓", "fail": "✗", "inconclusive": "?", "error": "!"}


def show_result(result: BuildResult, console: Console) -> None:
    """Print the final table and where to look next."""
    if not result.rows:
        _show_base(result, console)
        return
    names = Column(name="variant", cells=tuple(map(result.recipe_name, result.rows)))
    for table in folded(names, _columns(result.rows), width=console.width, title=result.name):
        console.print(table)
        console.print()
    errors = "\n".join(error.text for error in result.errors)
    for row in result.rows:
        if row.decision != "pass" and row.reason not in errors:
            console.print(Text(f"{row.identifier}: {row.reason}"), soft_wrap=True)
    _show_bases(result, console)
    _show_notes(result, console)
    for warning in base_warnings(result.references):
        console.print(Text(f"warning: {warning}"), style="yellow")
    _show_errors(result, console)
    for line in (*search_lines(result), *_alias_lines(result)):
        console.print(Text(line), soft_wrap=True)
    console.print(_closing(result), highlight=False)


def _show_base(result: BuildResult, console: Console) -> None:
    """Print what the base does by itself: one row a slice, below the whole suite."""
    for row in result.references:
        where = f"{row.runtime} on {row.device} ({row.kernels} kernels)"
        counts = f"{row.accuracy:.1%} of {row.items} items right, {row.unstable} unstable"
        title = f"[bold]{result.name}[/] in {where}: {counts} in {row.repeats} repeats"
        table = Table(title=title, title_justify="left", header_style="bold")
        table.add_column("slice", no_wrap=True)
        for name in ("items", "right", "accuracy", "unstable"):
            table.add_column(name, justify="right", no_wrap=True)
        for part in row.slices:
            cells = (str(part.items), str(part.right), f"{part.accuracy:.1%}", str(part.unstable))
            table.add_row(part.name, *cells)
        console.print(table)
    _show_bases(result, console)
    _show_notes(result, console)
    _show_errors(result, console)
    console.print("No recipe was asked for; nothing was built or registered.", highlight=False)


def _show_bases(result: BuildResult, console: Console) -> None:
    """Print how far the base in each runtime is from the checkpoint itself."""
    for row in result.bases:
        if row.mean_kl is None:
            distance = row.finding
        else:
            distance = f"{row.mean_kl:.1e} nats a token from the checkpoint itself"
            distance += "" if row.passed else ", which is more than rounding"
            distance += f": {row.cause}" if row.cause else ""
        waived = f"; waived: {row.waived}" if row.waived else ""
        console.print(Text(f"base in {row.engine}: {distance}{waived}"), soft_wrap=True)


def _show_notes(result: BuildResult, console: Console) -> None:
    for note in result.notes:
        console.print(Text(note), style="yellow", soft_wrap=True)


def _show_errors(result: BuildResult, console: Console) -> None:
    for error in result.errors:
        console.print(Text(f"{error.step} {error.identifier}: {error.text}"), style="magenta")
    console.print(f"page:  {result.page}", soft_wrap=True, highlight=False)


def _columns(rows: Sequence[VariantRow]) -> tuple[Column, ...]:
    """Return what is known of each variant, in reading order; the verdict is the last to be moved below."""
    return (
        _column("W/A/KV", rows, lambda row: row.numerics, importance=8),
        _column("size", rows, lambda row: _size(row.size_bytes), importance=5, right=True),
        _column("bits/w · all", rows, _bits, importance=7, right=True),
        _column("accuracy", rows, _accuracy, importance=2, right=True),
        _column("broke", rows, lambda row: _count(row.broke), importance=3, right=True),
        _column("fixed", rows, lambda row: _count(row.fixed), importance=6, right=True),
        _column("worst slice", rows, lambda row: row.worst_slice or "–", importance=4),
        *_speed_columns(rows),
        _column("verdict", rows, _verdict, importance=1),
    )


def _speed_columns(rows: Sequence[VariantRow]) -> Iterator[Column]:
    """Yield what was timed, as shares of the base's, where anything was."""
    if any(row.speed_ratio is not None for row in rows):
        yield _column("speed", rows, _speed, importance=5, right=True)
        yield _column(
            "memory", rows, lambda row: _times(row.memory_ratio), importance=6, right=True
        )


def _speed(row: VariantRow) -> str:
    """The middle round's share, with the least and the greatest where they are others."""
    least, most = (f"{share:.2f}" for share in row.speed_rounds or (0.0, 0.0))
    return f"{_times(row.speed_ratio)}{f' ({least}–{most})' if least != most else ''}"


def _times(share: float | None) -> str:
    return "–" if share is None else f"{share:.2f}×"


def _column(
    name: str,
    rows: Sequence[VariantRow],
    cell: Callable[[VariantRow], str],
    *,
    importance: int,
    right: bool = False,
) -> Column:
    return Column(
        name=name, cells=tuple(cell(row) for row in rows), importance=importance, right=right
    )


def _accuracy(row: VariantRow) -> str:
    if row.accuracy is None or row.reference_accuracy is None:
        return "–"
    return f"{row.reference_accuracy:.1%} → {row.accuracy:.1%}"


def _verdict(row: VariantRow) -> str:
    colour = _COLOURS[row.decision]
    version = f" v{row.registered_version}" if row.registered_version else ""
    return f"[{colour}]{_SYMBOLS[row.decision]} {row.decision}{version}[/]"


def _size(size_bytes: int | None) -> str:
    return "–" if size_bytes is None else megabytes(size_bytes)


def _bits(row: VariantRow) -> str:
    """Return bits of the quantized weights, and of all weights of the file."""
    if row.bits_per_weight is None or row.file_bits_per_weight is None:
        return "–"
    return f"{row.bits_per_weight:.2f} · {row.file_bits_per_weight:.2f}"


def _count(number: int | None) -> str:
    return "–" if number is None else str(number)


def _closing(result: BuildResult) -> str:
    versions = [row for row in result.rows if row.registered_version]
    waiting = result.unregistered
    if waiting:
        return (
            f"{len(versions) + len(waiting)} of {len(result.rows)} variants passed, and {len(waiting)} of "
            f"them could not be registered{_what_waits(result)}."
        )
    if not versions:
        return "Nothing passed; nothing was registered."
    smallest = min(
        versions, key=lambda row: (row.size_bytes or 0, not row.numerics.endswith("/KV16"))
    )
    return (
        f"{len(versions)} of {len(result.rows)} variants passed and are registered; the smallest is "
        f"{smallest.identifier} (version {smallest.registered_version})."
    )


def _what_waits(result: BuildResult) -> str:
    """Say what becomes of variants that passed while the registry could not be reached."""
    waits = {kind.exit_code for kind in UNREACHABLE}
    if not any(error.step == REGISTER and error.exit_code in waits for error in result.errors):
        return ""
    return (
        ": their evidence waits in the store, and `quantgate register --pending` or the next build "
        "registers them"
    )


def _alias_lines(result: BuildResult) -> list[str]:
    """Say where this build left its suite's alias, if it moved it."""
    changes = sorted(
        (receipt.alias_change for receipt in result.receipts if receipt.alias_change is not None),
        key=lambda change: change.at,
    )
    if not changes or changes[0].before == changes[-1].after:
        return []
    model, last = result.receipts[0].model, changes[-1]
    numbers = [changes[0].before, *(change.after for change in changes)]
    pointed = (f"version {number}" if number else "nothing" for number in numbers)
    return [f"{model}@{last.alias}: {' -> '.join(pointed)} ({last.reason})"]
