"""What `quantgate quantize --plan` shows: every unit of work, and what the suite can prove."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.table import Table

from quantgate.flows.build.bases import measured_bases
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.preflight.all import needed_bytes, seconds_a_run
from quantgate.flows.build.resources.needs import UnitNeed, unit_needs
from quantgate.flows.cli.views.folding import Column, folded, show_facts
from quantgate.flows.cli.views.sizes import megabytes
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.audit.bench.bench import base_in
from quantgate.pipelines.authoring.proofs import proofs
from quantgate.pipelines.domain.foreign import UNKNOWN_CALIBRATION
from quantgate.pipelines.engines.expected import expected_size
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.gates.prospects import fewest_reliable_items
from quantgate.pipelines.report.checkpoint_notes import checkpoint_notes
from quantgate.pipelines.report.wording import plural
from quantgate.pipelines.variants.variant import PlannedVariant


def show_plan(plan: BuildPlan, settings: Settings, console: Console) -> None:
    """Print every unit of work by identifier, and what of it is there already."""
    build = LocalBuild(plan=plan, settings=settings, tools=wire(settings, plan.servers))
    needs = tuple(unit_needs(build))
    for table in _plan_tables(plan, settings, needs, console.width):
        console.print(table)
        console.print()
    suite, checkpoint, policy = plan.suite, plan.checkpoint, plan.policy
    slices = proofs(suite, policy)
    weak = [f"{proof.name} ({proof.size})" for proof in slices if not proof.can_pass]
    runs = policy.variant_runs * len(plan.variants) + policy.reference_runs * len(plan.runtimes)
    seconds = seconds_a_run(suite, settings)
    took = f", {seconds:.0f} s each so far" if seconds else ", not timed on this machine yet"
    size = needed_bytes(plan, settings)
    facts = (
        ("base", f"{checkpoint.source}, digest {checkpoint.digests.combined[:16]}"),
        ("", f"{checkpoint.architecture}, {checkpoint.parameter_count / 1e6:.1f}M parameters"),
        *(("", note) for note in checkpoint_notes(checkpoint)),
        ("", f"stored as {checkpoint.quantization or checkpoint.dtype}"),
        *(("", sentence) for sentence in _planned_bases(plan, settings.store)),
        ("suite", f"{suite.name}@{suite.version}, {plural(len(suite.items), 'item')}"),
        ("", slices[0].text.removeprefix("all: ")),
        (
            "",
            f"the base has to get {fewest_reliable_items(policy.limits())} items reliably right for "
            "anything to pass: known after its runs, before anything is built",
        ),
        ("", f"cannot prove themselves: {', '.join(weak)}" if weak else "every slice can pass"),
        ("runs", f"{runs}, of them {policy.reference_runs} of the base in each runtime{took}"),
        *(("search", sentence) for sentence in _search_sentences(plan)),
        ("store", str(settings.store.root)),
        ("memory", _largest(needs, settings)),
        *(("", sentence) for sentence in _from_disk(plan, settings)),
        *([("speed", _SPEED)] if plan.speed else []),
        ("disk", f"about {megabytes(size)} to be written" if size else "nothing to be written"),
    )
    show_facts(facts, console, indent=8)


_SPEED = "each variant whose runtime serves is timed beside its base by turns, once all are judged"


def _search_sentences(plan: BuildPlan) -> Iterator[str]:
    """Say what a search goes through, and what it leaves out."""
    search = plan.search
    if search is None:
        return
    recipes = len(search.sequences)
    way = (
        "built and timed, then asked from the fastest until one passes; most of them will not be asked"
        if search.goal == "speed"
        else "parted by it, then mixes below what passed; most of the units above will not be built"
    )
    confidence = f"{100 * plan.policy.whole_confidence:.2f} %"
    yield f"by {search.goal}: {plural(recipes, 'recipe')} {way}, each is judged at {confidence}"
    if search.beyond_budget:
        names = ", ".join(candidate.identifier for candidate in search.beyond_budget)
        yield f"above the budget: {names}"


def _largest(needs: Sequence[UnitNeed], settings: Settings) -> str:
    """Say which unit needs the most memory, of how much."""
    largest = max(needs, key=lambda unit: unit.need.size_bytes)
    return (
        f"at most about {largest.need.size_bytes / 1e9:.1f} GB in one process "
        f"({largest.step}: {largest.unit}) of {settings.memory_bytes / 1e9:.1f} GB; units that do not fit "
        "beside each other wait"
    )


def _from_disk(plan: BuildPlan, settings: Settings) -> Iterator[str]:
    """Say what `--offload` costs where the base exceeds memory."""
    size = 2 * plan.checkpoint.parameter_count
    if plan.offload and size > settings.memory_bytes:
        yield (
            f"weights that it does not hold come from the disk each time they are used: up to "
            f"{size / 1e9:.1f} GB a pass, and a pass for every token of an answer"
        )


def _planned_bases(plan: BuildPlan, store: Store) -> Iterator[str]:
    """Say how far the base in each runtime is from the checkpoint itself, where this build measured it."""
    findings = {base.runtime: base.finding for base in measured_bases(plan, store)}
    for name in plan.compared:
        if finding := findings.get(name):
            state = finding.found if finding.passed else f"{finding.found}: more than rounding"
        else:
            state = "held against the checkpoint itself before anything is built"
        yield f"in {name}: {state}"


def _plan_tables(
    plan: BuildPlan, settings: Settings, needs: Sequence[UnitNeed], width: int
) -> tuple[Table, ...]:
    """One row a variant; without variants one row for each runtime that the base is asked in."""
    rows = [
        (
            variant.identifier,
            _state(plan, variant, settings),
            str(variant.recipe.numerics),
            variant.recipe.runtime,
            UNKNOWN_CALIBRATION if variant.recipe.is_foreign else variant.corpus_label or "–",
            *_foretold(plan, variant),
            _memory(needs, variant.identifier),
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
            _memory(needs, base_in(name)),
        )
        for name in plan.runtimes
    ]
    units, states, numerics, runtimes, corpora, sizes, bits, memory = zip(*rows, strict=True)
    columns = (
        Column(name="W/A/KV", cells=numerics, importance=2),
        Column(name="size", cells=sizes, importance=5, right=True),
        Column(name="bits/w · all", cells=bits, importance=6, right=True),
        Column(name="memory", cells=memory, importance=7, right=True),
        Column(name="corpus", cells=corpora, importance=4),
        Column(name="runtime", cells=runtimes, importance=3),
        Column(name="state", cells=states, importance=1),
    )
    return folded(Column(name="unit", cells=units), columns, width=width, title=f"plan {plan.name}")


def _foretold(plan: BuildPlan, variant: PlannedVariant) -> tuple[str, str]:
    """Return what it will take and its bits, from the checkpoint's shapes alone."""
    foretold = expected_size(plan.checkpoint, variant.recipe)
    bits = f"{foretold.bits_per_weight:.2f} · {foretold.file_bits_per_weight:.2f}"
    return megabytes(foretold.size_bytes), bits


def _memory(needs: Iterable[UnitNeed], unit: str) -> str:
    """Return what a unit needs at most, of building, auditing and answering; a server's is not known."""
    sizes = [each.need.size_bytes for each in needs if each.unit == unit]
    return f"{max(sizes) / 1e9:.1f} GB" if sizes else "–"


def _state(plan: BuildPlan, variant: PlannedVariant, settings: Settings) -> str:
    if variant.built(settings.store):
        return "[green]taken over[/]" if variant.recipe.is_foreign else "[green]built[/]"
    if plan.builder(variant) is not variant:
        return "same files"
    return "to take over" if variant.recipe.is_foreign else "to build"
