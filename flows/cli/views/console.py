"""What a person sees at the end of a build, and on look-ups: tables and a few plain sentences."""

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from quantgate.flows.build.audits.audits import base_in
from quantgate.flows.build.audits.base_audits import measured_bases
from quantgate.flows.build.outcome import BuildResult
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.preflight.all import needed_bytes, seconds_a_run
from quantgate.flows.cli.views.folding import Column, folded, show_facts
from quantgate.flows.settings import Settings
from quantgate.pipelines.authoring.proofs import proofs
from quantgate.pipelines.domain.variant import ExpectedSize
from quantgate.pipelines.engines.expected import expected_tensors
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.gates.prospects import fewest_reliable_items
from quantgate.pipelines.report.summary import VariantRow, base_warnings
from quantgate.pipelines.report.wording import plural
from quantgate.pipelines.variants.variant import PlannedVariant
from quantgate.registry import Found, VersionFacts

_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow", "error": "magenta"}
_WIDTH_OF_A_FILE = 132
_SYMBOLS = {"pass": "✓", "fail": "✗", "inconclusive": "?", "error": "!"}


def open_console(*, to_stderr: bool = False) -> Console:
    """Return a console; where output is not a terminal it is wide enough for every table."""
    console = Console(stderr=to_stderr)
    return console if console.is_terminal else Console(stderr=to_stderr, width=_WIDTH_OF_A_FILE)


def show_result(result: BuildResult, console: Console) -> None:
    """Print the final table and where to look next."""
    if not result.rows:
        _show_base(result, console)
        return
    names = Column(
        name="variant", cells=tuple(row.identifier.partition("--")[2] for row in result.rows)
    )
    for table in folded(names, _columns(result.rows), width=console.width, title=result.name):
        console.print(table)
        console.print()
    told = "\n".join(error.text for error in result.errors)
    for row in result.rows:
        if row.decision != "pass" and row.reason not in told:
            console.print(Text(f"{row.identifier}: {row.reason}"), soft_wrap=True)
    _show_bases(result, console)
    for warning in base_warnings(result.references):
        console.print(Text(f"warning: {warning}"), style="yellow")
    _show_errors(result, console)
    console.print(_closing(result), highlight=False)


def _show_base(result: BuildResult, console: Console) -> None:
    """Print what the base does by itself: one row a slice, below the whole suite."""
    for row in result.references:
        where = f"{row.runtime} on {row.device} ({row.kernels} kernels)"
        told = f"{row.accuracy:.1%} of {row.items} items right, {row.unstable} unstable"
        title = f"[bold]{result.name}[/] in {where}: {told} in {row.repeats} repeats"
        table = Table(title=title, title_justify="left", header_style="bold")
        table.add_column("slice", no_wrap=True)
        for name in ("items", "right", "accuracy", "unstable"):
            table.add_column(name, justify="right", no_wrap=True)
        for one in row.slices:
            table.add_row(
                one.name, str(one.items), str(one.right), f"{one.accuracy:.1%}", str(one.unstable)
            )
        console.print(table)
    _show_bases(result, console)
    _show_errors(result, console)
    console.print("No recipe was asked for; nothing was built or registered.", highlight=False)


def _show_bases(result: BuildResult, console: Console) -> None:
    """Print how far the base in each runtime is from the checkpoint itself."""
    for row in result.bases:
        if row.mean_kl is None:
            told = row.found
        else:
            told = f"{row.mean_kl:.1e} nats a token from the checkpoint itself"
            told += "" if row.passed else ", which is more than rounding"
            told += f": {row.cause}" if row.cause else ""
        waived = f"; waived: {row.waived}" if row.waived else ""
        console.print(Text(f"base in {row.engine}: {told}{waived}"), soft_wrap=True)


def _show_errors(result: BuildResult, console: Console) -> None:
    for error in result.errors:
        console.print(Text(f"{error.step} {error.identifier}: {error.text}"), style="magenta")
    console.print(f"page:  {result.page}", soft_wrap=True, highlight=False)


def show_plan(plan: BuildPlan, settings: Settings, console: Console) -> None:
    """Print every unit of work by identifier, and what of it is there already."""
    for table in _plan_tables(plan, settings, console.width):
        console.print(table)
        console.print()
    suite, checkpoint, policy = plan.suite, plan.checkpoint, plan.policy
    slices = proofs(suite, policy)
    weak = [f"{one.name} ({one.size})" for one in slices if not one.can_pass]
    runs = len(plan.variants) + policy.reference_runs * len(plan.runtimes)
    seconds = seconds_a_run(suite, settings)
    took = f", {seconds:.0f} s each so far" if seconds else ", not timed on this machine yet"
    size = needed_bytes(checkpoint, plan.variants, settings)
    facts = (
        ("base", f"{checkpoint.source}, digest {checkpoint.digests.combined[:16]}"),
        ("", f"{checkpoint.architecture}, {checkpoint.parameter_count / 1e6:.1f}M parameters"),
        ("", f"stored as {checkpoint.quantization or checkpoint.dtype}"),
        *(("", told) for told in _planned_bases(plan, settings.store)),
        ("suite", f"{suite.name}@{suite.version}, {plural(len(suite.items), 'item')}"),
        ("", slices[0].text.removeprefix("all: ")),
        (
            "",
            f"the base has to get {fewest_reliable_items(policy)} items reliably right for anything to "
            "pass: known after its runs, before anything is built",
        ),
        ("", f"cannot prove themselves: {', '.join(weak)}" if weak else "every slice can pass"),
        ("runs", f"{runs}, of them {policy.reference_runs} of the base in each runtime{took}"),
        ("store", str(settings.store.root)),
        ("disk", f"about {megabytes(size)} to be written" if size else "nothing to be written"),
    )
    show_facts(facts, console, indent=7)


def _planned_bases(plan: BuildPlan, store: Store) -> Iterator[str]:
    """Say how far the base in each runtime is from the checkpoint itself, where this build measured it."""
    found = {base.runtime: base.finding for base in measured_bases(plan, store)}
    for name in plan.runtimes:
        if finding := found.get(name):
            told = finding.found if finding.passed else f"{finding.found}: more than rounding"
        else:
            told = "held against the checkpoint itself before anything is built"
        yield f"in {name}: {told}"


def _plan_tables(plan: BuildPlan, settings: Settings, width: int) -> tuple[Table, ...]:
    """One row a variant; without variants one row for each runtime that the base is asked in."""
    rows = [
        (
            variant.identifier,
            _state(plan, variant, settings),
            str(variant.recipe.numerics),
            variant.recipe.runtime,
            variant.corpus_label or "–",
            *_foretold(plan, variant),
        )
        for variant in plan.variants
    ] or [
        (
            base_in(name),
            "to answer",
            str(plan.checkpoint.numerics or plan.checkpoint.dtype),
            name,
            "–",
            "–",
            "–",
        )
        for name in plan.runtimes
    ]
    units, states, numerics, runtimes, corpora, sizes, bits = zip(*rows, strict=True)
    columns = (
        Column(name="W/A/KV", cells=numerics, importance=2),
        Column(name="size", cells=sizes, importance=5, right=True),
        Column(name="bits/w · all", cells=bits, importance=6, right=True),
        Column(name="corpus", cells=corpora, importance=4),
        Column(name="runtime", cells=runtimes, importance=3),
        Column(name="state", cells=states, importance=1),
    )
    return folded(Column(name="unit", cells=units), columns, width=width, title=f"plan {plan.name}")


def _foretold(plan: BuildPlan, variant: PlannedVariant) -> tuple[str, str]:
    """Return what it will take and its bits, from the checkpoint's shapes alone."""
    foretold = ExpectedSize.of(expected_tensors(plan.checkpoint, variant.recipe))
    bits = f"{foretold.bits_per_weight:.2f} · {foretold.file_bits_per_weight:.2f}"
    return megabytes(foretold.size_bytes), bits


def _state(plan: BuildPlan, variant: PlannedVariant, settings: Settings) -> str:
    if variant.built(settings.store):
        return "[green]built[/]"
    return "to build" if plan.builder(variant) is variant else "same files"


def show_found(found: Found, console: Console) -> None:
    """Print a look-up's answer: what it is, where it lies, what was proved of it."""
    facts = found.facts
    aliases = "".join(f" @{alias}" for alias in found.aliases)
    told = (
        ("variant", f"{facts.identifier} ({facts.format})"),
        ("version", f"{found.model}/{found.version}{aliases}"),
        (
            "path",
            str(found.artifact) if found.is_here else f"{found.artifact} (not on this machine)",
        ),
        ("uri", found.uri),
        ("size", f"{megabytes(facts.size_bytes)}, {_bits_of(facts)}"),
        ("numerics", facts.numerics),
        ("verdict", f"{facts.verdict} on {facts.suite} in {facts.runtime}"),
        *([("accuracy", _accuracy_of(facts))] if facts.reference_accuracy is not None else []),
        ("unproven", ", ".join(facts.unproven_slices) or "no slice"),
        ("corpus", facts.corpus),
        *([("traffic", str(found.drift))] if found.drift else []),
    )
    show_facts(told, console, indent=10)


def _bits_of(facts: VersionFacts) -> str:
    told = f"{facts.bits_per_weight:.2f} bits per quantized weight"
    whole = facts.file_bits_per_weight
    return told if whole is None else f"{told}, {whole:.2f} of all"


def _accuracy_of(facts: VersionFacts) -> str:
    """Say what the base gets right, beside the variant: a pass is never worth more."""
    base = facts.reference_accuracy or 0.0
    told = f"{facts.accuracy or 0.0:.1%}, where its base has {base:.1%}"
    return f"{told}; {facts.base_warning}" if facts.base_warning else told


def megabytes(size_bytes: int) -> str:
    """Return a size as people read it (decimal units)."""
    if size_bytes >= 1_000_000_000:
        return f"{size_bytes / 1e9:.2f} GB"
    return f"{size_bytes / 1e6:.2f} MB"


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
        _column("verdict", rows, _verdict, importance=1),
    )


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
    if not versions:
        return "Nothing passed; nothing was registered."
    smallest = min(
        versions, key=lambda row: (row.size_bytes or 0, not row.numerics.endswith("/KV16"))
    )
    return (
        f"{len(versions)} of {len(result.rows)} variants passed and are registered; the smallest is "
        f"{smallest.identifier} (version {smallest.registered_version})."
    )
