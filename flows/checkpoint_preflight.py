"""What a checkpoint's headers and configuration give away, before anything is converted or built."""

from collections.abc import Callable, Sequence

from flows.settings import Settings
from flows.wiring import Equipment
from pipelines.audit.dropped_settings import dropped_settings
from pipelines.domain.checkpoint import Checkpoint
from pipelines.domain.errors import CheckpointError
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
        CheckpointError: naming weights that are missing or have another shape; for GGUF recipes, where
            llama.cpp cannot have the tokenizer.
        WorkerError, ToolchainError: from the child processes that look.
    """
    report = tools.report_loading(checkpoint, settings.store, tools.run_worker, ignore_progress)
    for note in refuse_incomplete(report, checkpoint):
        say(note)
    gguf = [recipe.name for recipe in recipes if recipe.format is Format.GGUF]
    if not gguf:
        return
    _refuse_tokenizer(checkpoint, gguf, settings, tools)
    dropped = dropped_settings(report.config, checkpoint.architecture)
    if dropped:
        say(
            f"llama.cpp has no place for {' and '.join(dropped)}: its base is held against the checkpoint "
            "before any GGUF is built"
        )


def _refuse_tokenizer(
    checkpoint: Checkpoint, gguf: Sequence[str], settings: Settings, tools: Equipment
) -> None:
    """Add to a refusal which recipes it is about."""
    try:
        tools.refuse_tokenizer(checkpoint, settings.store, tools.run_worker, ignore_progress)
    except CheckpointError as error:
        steps = [error.next_step or "", f"leave out {', '.join(gguf)}"]
        error.next_step = "; or ".join(s for s in steps if s and not s.startswith("leave GGUF"))
        raise
