"""Everything that can be known before the first expensive minute."""

import json
import shutil
from collections.abc import Sequence

from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools
from quantgate.pipelines.audit.divergence import DIVERGENCE_TOKENS
from quantgate.pipelines.audit.reach import MOST_POSITIONS
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, InputError, ToolchainError
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions, Recipe
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.engines.binding.grammar import grammar_of
from quantgate.pipelines.engines.expected import expected_size, scratch_bytes
from quantgate.pipelines.evaluation.graders.table import grader_for
from quantgate.pipelines.evaluation.loops.checks import loop_problems
from quantgate.pipelines.evaluation.runs import seconds_so_far
from quantgate.pipelines.evaluation.sampling import id_problem

_LOGIT_BYTES = 4
_CHANGED_BYTES = 2
"""Of a weight, in 16 bits."""
_MATRIX_DIMENSIONS = 2
_SPARE_BYTES = 256 * 1024 * 1024


def needed_bytes(plan: BuildPlan, settings: Settings) -> int:
    """Return the disk space of everything that is not built yet; files that are shared count once.

    A measured mix has all its candidates on the disk while it is measured, and removes them then. So does
    llm-compressor with the layers that it has changed, where it may read the base from the disk.
    """
    store, checkpoint = settings.store, plan.checkpoint
    missing = {v.folder(store): v for v in plan.variants if not v.built(store)}.values()
    recipes = [variant.recipe for variant in missing]
    sizes = (expected_size(checkpoint, recipe).size_bytes for recipe in recipes)
    changed = plan.offload and any(
        isinstance(recipe.options, CompressedTensorsOptions) for recipe in recipes
    )
    layers = _CHANGED_BYTES * checkpoint.parameter_count if changed else 0
    return sum(sizes) + scratch_bytes(checkpoint, recipes) + layers


def seconds_a_run(suite: Suite, settings: Settings) -> float | None:
    """Return the mean time of the runs of this suite in the store; None before the first one."""
    seconds = seconds_so_far(settings.store, suite.digest)
    return sum(seconds) / len(seconds) if seconds else None


def refuse_unanswerable(suite: Suite) -> None:
    """Refuse expectations that their graders cannot use, and items whose answers could be mistaken.

    Raises:
        InputError: naming the items.
    """
    problems = [
        f"item '{item.id}' ({spec.kind}): {problem}"
        for item in suite.items
        if item.loop is None
        and (problem := grader_for(spec := suite.grader_of(item)).problem(item))
    ]
    problems += [
        f"item '{item.id}': {problem}"
        for item in suite.items
        if (problem := id_problem(suite, item))
    ]
    problems += [
        f"item '{item.id}': {text}"
        for item in suite.items
        if item.loop is not None
        for text in loop_problems(suite, item)
    ]
    if problems:
        shown = "\n  ".join(problems[:20])
        raise InputError(
            f"these items cannot be judged as they are written:\n  {shown}",
            where=str(suite.folder),
            next_step="mend these items and run the same command again",
        )


def refuse_unbound(suite: Suite, runtimes: Sequence[str], tools: Tools) -> None:
    """Refuse answers that are to be bound by a JSON schema where a runtime or a schema cannot do it.

    Raises:
        ToolchainError: naming the runtimes that cannot.
        InputError: naming the items whose schemas no grammar can be made of.
    """
    bound = {
        item.id: item.schema
        for item in suite.items
        if item.schema is not None and suite.decode_of(item).constrained
    }
    if not bound:
        return
    unable = [name for name in runtimes if not tools.runtimes[name].constrains()]
    if unable:
        raise ToolchainError(
            f"{' and '.join(unable)} cannot bind answers to a JSON schema, as `constrained` asks of "
            f"{len(bound)} items (first '{next(iter(bound))}')",
            where=str(suite.folder),
            next_step="judge in llama.cpp or transformers, or set `decode.constrained: false`",
        )
    problems = []
    for item_id, schema in bound.items():
        try:
            grammar_of(json.dumps(schema))
        except InputError as error:
            problems.append(f"item '{item_id}': {error.what}")
    if problems:
        shown = "\n  ".join(problems[:20])
        raise InputError(
            f"no grammar can bind these answers:\n  {shown}",
            where=str(suite.folder),
            next_step="mend these schemas, or set `decode.constrained: false`",
        )


def refuse_refused(suite: Suite, runtimes: Sequence[str], tools: Tools) -> None:
    """Refuse items that an engine would refuse when it is asked them.

    Raises:
        InputError: naming them, the engine and what it refuses.
    """
    problems = []
    for item in suite.items:
        decode = suite.decode_of(item)
        bound = item.schema is not None and decode.constrained
        schema = json.dumps(item.schema) if bound else None
        for name in runtimes:
            access = tools.runtimes[name].server_access()
            if access and (refused := access.refused(decode.stop, schema)):
                problems.append(f"item '{item.id}': {name} refuses {refused}")
    if problems:
        shown = "\n  ".join(problems[:20])
        raise InputError(
            f"{len(problems)} items hold what cannot be asked there:\n  {shown}",
            where=str(suite.folder),
            next_step="leave it out of these items, or judge in another runtime",
        )


def refuse_low_bit_source(checkpoint: Checkpoint, recipes: Sequence[Recipe]) -> None:
    """Refuse to quantize what is quantized already: the damage of both would be in one number.

    Raises:
        CheckpointError: naming the source's own numerics, and what can be done with it.
    """
    if checkpoint.quantization is None or not recipes:
        return
    named = ", ".join(recipe.name for recipe in recipes)
    raise CheckpointError(
        f"the source is low-bit already ({checkpoint.quantization}) and is its own reference, so that "
        f"nothing is built from it ({named}): every recipe would first expand its weights and then round "
        "them once more, and the loss it came with would go unseen",
        where=checkpoint.source,
        next_step="build from the full-precision checkpoint that it was made from; or, where none is out, "
        "expand it to bfloat16, which everything that is made of it will say: `--expand REASON`, in a build "
        "file `expand: reason`; or judge it as it is: `--recipes none`, in a build file `recipes: []`",
    )


def refuse_missing_tools(recipes: Sequence[Recipe], runtimes: Sequence[str], tools: Tools) -> None:
    """Refuse a build of which a backend or a runtime is not installed.

    Raises:
        ToolchainError: saying all that is missing, and which recipes need it.
    """
    needed = [
        (recipe.name, tool)
        for recipe in recipes
        for tool in (tools.backends[recipe.options.backend], tools.runtimes[recipe.runtime])
    ] or [("the base", tools.runtimes[name]) for name in runtimes]
    lacking: dict[str, list[str]] = {}
    for name, tool in needed:
        if missing := tool.missing():
            lacking.setdefault(missing, []).append(name)
    if not lacking:
        return
    stopped = list(dict.fromkeys(name for names in lacking.values() for name in names))
    without = f"; or leave out {', '.join(stopped)}" if len(stopped) < len(recipes) else ""
    reasons = [f"{sentence} (for {', '.join(names)})" for sentence, names in lacking.items()]
    raise ToolchainError("\n  ".join(reasons), next_step=f"`make doctor` says more{without}")


def refuse_full_disk(plan: BuildPlan, settings: Settings) -> None:
    """Refuse a build that the disk cannot hold.

    Raises:
        ToolchainError: with what is needed and what is free.
    """
    folder = settings.store.root
    while not folder.exists():
        folder = folder.parent
    free, needed = shutil.disk_usage(folder).free, needed_bytes(plan, settings)
    runtimes = {variant.recipe.runtime for variant in plan.variants}
    positions = len(runtimes) * DIVERGENCE_TOKENS + MOST_POSITIONS
    spare = _SPARE_BYTES + positions * _row_bytes(plan.checkpoint)
    if needed and free < needed + spare:
        raise ToolchainError(
            f"this build needs about {(needed + spare) / 1e9:.1f} GB of disk and "
            f"{free / 1e9:.1f} GB are free",
            where=str(settings.store.root),
            next_step="free some space, or set QUANTGATE_STORE to another disk",
        )


def _row_bytes(checkpoint: Checkpoint) -> int:
    """Estimate what the logits of a position take: some matrix has a row for each token of the vocabulary."""
    rows = [each.shape[0] for each in checkpoint.tensors if len(each.shape) == _MATRIX_DIMENSIONS]
    return _LOGIT_BYTES * max(rows, default=0)
