"""What a checkpoint's headers and configuration give away, before anything is converted or built."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from quantgate.flows.build.preflight.refusals import together
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools
from quantgate.pipelines.audit.dropped_settings import dropped_settings
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, QuantgateError
from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import Format, Recipe
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.engines.loading_report import LoadingReport, refuse_incomplete
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.variants.variant import PlannedVariant


@dataclass(slots=True, kw_only=True)
class Look:
    """What looking found that may be lived with: why GGUF recipes that nobody chose cannot be built."""

    unconvertible: CheckpointError | None = None

    def convertible(
        self, variants: Sequence[PlannedVariant], say: Callable[[str], None]
    ) -> tuple[PlannedVariant, ...]:
        """Return the variants that can be built, and say which are left out.

        Raises:
            CheckpointError: where none is left.
        """
        if self.unconvertible is None:
            return tuple(variants)
        kept = tuple(v for v in variants if v.recipe.format is not Format.GGUF)
        if not kept:
            raise self.unconvertible
        left_out = ", ".join(v.recipe.name for v in variants if v not in kept)
        say(f"{left_out}: left out, for {self.unconvertible.what}")
        return kept


@contextmanager
def looking_inside(
    checkpoint: Checkpoint,
    recipes: Sequence[Recipe],
    settings: Settings,
    tools: Tools,
    say: Callable[[str], None],
    *,
    chosen: bool = True,
) -> Iterator[Look]:
    """Refuse a checkpoint whose weights are not those that its configuration describes; say what is odd.

    The child processes that look take seconds each. They do so side by side, while the block runs; what they
    find is said, or raised, at its end. Where the block fails as well, what is wrong with the checkpoint
    itself is raised: the rest may follow from it. What llama.cpp has against GGUFs of others comes last: that
    one is of another model is the better reason. Recipes that nobody chose (`chosen`) may be left out.

    Raises:
        CheckpointError: naming weights that are missing or have another shape; for GGUF recipes that were
            chosen, where it cannot be converted or llama.cpp cannot have its tokenizer or its tensors; naming
            GGUFs of others that llama.cpp has no model for.
        WorkerError, ToolchainError: from the child processes that look.
    """
    gguf = [recipe.name for recipe in recipes if recipe.format is Format.GGUF]
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="look-inside") as side_by_side:
        report = side_by_side.submit(
            tools.report_loading, checkpoint, settings.store, tools.run_worker, ignore_progress
        )
        conversion = (
            side_by_side.submit(_rehearse_conversion, checkpoint, gguf, settings, tools)
            if gguf
            else None
        )
        trials = side_by_side.submit(_try_ggufs, checkpoint, recipes, settings, tools)
        look = Look()

        def conclude() -> None:
            for note in refuse_incomplete(report.result(), checkpoint):
                say(note)
            if conversion is None:
                return
            try:
                conversion.result()
            except CheckpointError as error:
                if chosen:
                    raise
                look.unconvertible = error
            else:
                _say_dropped(report.result(), checkpoint, say)

        try:
            yield look
        except QuantgateError:
            conclude()
            raise
        conclude()
        trials.result()


def _say_dropped(report: LoadingReport, checkpoint: Checkpoint, say: Callable[[str], None]) -> None:
    dropped = dropped_settings(report.config, checkpoint.architecture)
    if dropped:
        say(
            f"llama.cpp has no place for {' and '.join(dropped)}: its base is held against the checkpoint "
            "before any GGUF is built"
        )


def _rehearse_conversion(
    checkpoint: Checkpoint, gguf: Sequence[str], settings: Settings, tools: Tools
) -> None:
    """Add to a refusal which recipes it is about."""
    try:
        tools.rehearse_conversion(checkpoint, settings.store, tools.run_worker, ignore_progress)
    except CheckpointError as error:
        steps = [error.next_step or "", f"leave out {', '.join(gguf)}"]
        error.next_step = "; or ".join(s for s in steps if s and not s.startswith("leave GGUF"))
        raise


def _try_ggufs(
    checkpoint: Checkpoint, recipes: Sequence[Recipe], settings: Settings, tools: Tools
) -> None:
    """Try every GGUF that others made, once for all its KV caches, and refuse them together."""
    made: dict[Digest, tuple[str, ForeignOptions]] = {}
    for recipe in recipes:
        if recipe.format is Format.GGUF and isinstance(recipe.options, ForeignOptions):
            made.setdefault(recipe.options.digest, (recipe.name, recipe.options))
    refused: dict[str, QuantgateError] = {}
    for name, options in made.values():
        try:
            tools.try_gguf(options, checkpoint, settings.store, tools.run_worker, ignore_progress)
        except CheckpointError as error:
            refused[name] = error
    if refused:
        raise together(refused, len(recipes))
