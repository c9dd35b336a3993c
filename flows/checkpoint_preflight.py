"""What a checkpoint's headers and configuration give away, before anything is converted or built."""

from collections.abc import Callable, Sequence

from flows.settings import Settings
from flows.wiring import Equipment
from pipelines.audit.dropped_settings import dropped_settings
from pipelines.domain.checkpoint import Checkpoint
from pipelines.domain.recipe import Format, Recipe
from pipelines.process.calls import ignore_progress
from pipelines.runtimes.checkpoint_loading import refuse_incomplete


def look_inside(
    checkpoint: Checkpoint,
    recipes: Sequence[Recipe],
    settings: Settings,
    tools: Equipment,
    say: Callable[[str], None],
) -> None:
    """Refuse a checkpoint whose weights are not those that its configuration describes; say what is odd.

    Raises:
        CheckpointError: naming weights that are missing or have another shape.
        WorkerError, ToolchainError: from the child process that looks.
    """
    report = tools.report_loading(checkpoint, settings.store, tools.run_worker, ignore_progress)
    for note in refuse_incomplete(report, checkpoint):
        say(note)
    dropped = dropped_settings(report.config, checkpoint.architecture)
    if dropped and any(recipe.format is Format.GGUF for recipe in recipes):
        say(
            f"llama.cpp has no place for {' and '.join(dropped)}: its base is held against the checkpoint "
            "before any GGUF is built"
        )
