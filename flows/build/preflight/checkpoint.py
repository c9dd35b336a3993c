"""What a checkpoint's headers and configuration give away, before anything is converted or built."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools
from quantgate.pipelines.audit.dropped_settings import dropped_settings
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, QuantgateError
from quantgate.pipelines.domain.recipe import Format, Recipe
from quantgate.pipelines.engines.loading_report import LoadingReport, refuse_incomplete
from quantgate.pipelines.process.calls import ignore_progress


@contextmanager
def looking_inside(
    checkpoint: Checkpoint,
    recipes: Sequence[Recipe],
    settings: Settings,
    tools: Tools,
    say: Callable[[str], None],
) -> Iterator[None]:
    """Refuse a checkpoint whose weights are not those that its configuration describes; say what is odd.

    The child processes that look take seconds each. They do so side by side, while the block runs; what they
    find is said, or raised, at its end. Where the block fails as well, what is wrong with the checkpoint
    itself is raised: the rest may follow from it.

    Raises:
        CheckpointError: naming weights that are missing or have another shape; for GGUF recipes, where
            llama.cpp cannot have the tokenizer.
        WorkerError, ToolchainError: from the child processes that look.
    """
    gguf = [recipe.name for recipe in recipes if recipe.format is Format.GGUF]
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="look-inside") as side_by_side:
        report = side_by_side.submit(
            tools.report_loading, checkpoint, settings.store, tools.run_worker, ignore_progress
        )
        tokenizer = (
            side_by_side.submit(_refuse_tokenizer, checkpoint, gguf, settings, tools)
            if gguf
            else None
        )

        def conclude() -> None:
            for note in refuse_incomplete(report.result(), checkpoint):
                say(note)
            if tokenizer is not None:
                tokenizer.result()
                _say_dropped(report.result(), checkpoint, say)

        try:
            yield
        except QuantgateError:
            conclude()
            raise
        conclude()


def _say_dropped(report: LoadingReport, checkpoint: Checkpoint, say: Callable[[str], None]) -> None:
    dropped = dropped_settings(report.config, checkpoint.architecture)
    if dropped:
        say(
            f"llama.cpp has no place for {' and '.join(dropped)}: its base is held against the checkpoint "
            "before any GGUF is built"
        )


def _refuse_tokenizer(
    checkpoint: Checkpoint, gguf: Sequence[str], settings: Settings, tools: Tools
) -> None:
    """Add to a refusal which recipes it is about."""
    try:
        tools.refuse_tokenizer(checkpoint, settings.store, tools.run_worker, ignore_progress)
    except CheckpointError as error:
        steps = [error.next_step or "", f"leave out {', '.join(gguf)}"]
        error.next_step = "; or ".join(s for s in steps if s and not s.startswith("leave GGUF"))
        raise
