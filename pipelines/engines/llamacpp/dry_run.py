"""What a rehearsed conversion does one after the other, and how llama.cpp's refusals of it read."""

from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.llamacpp.pretypes import byte_fallback_hint
from quantgate.pipelines.process.calls import OnProgress, Progress

CONVERTING = "rehearsing the conversion to GGUF"
READING_WORDS = "trying the tokenizer in llama.cpp"
READING_WEIGHTS = "trying names and shapes in llama.cpp"


class LastStep:
    """Passes progress on and remembers what was being done, for a process that ends without a word."""

    def __init__(self, on_progress: OnProgress) -> None:
        """Nothing was begun yet."""
        self._on_progress = on_progress
        self.what = CONVERTING

    def __call__(self, progress: Progress) -> None:
        """Remember the step."""
        self.what = progress.what
        self._on_progress(progress)


def unreadable(
    step: str, reason: str, checkpoint: Path, log: Path | None = None
) -> CheckpointError:
    """Return the refusal of a checkpoint that the converter took and llama.cpp does not."""
    if step == READING_WEIGHTS:
        return CheckpointError(
            f"llama.cpp cannot compute what its converter makes of this checkpoint: {reason}",
            where=str(checkpoint),
            next_step="leave GGUF recipes out for this checkpoint",
            log=log,
        )
    return CheckpointError(
        f"llama.cpp cannot have this tokenizer: {reason}",
        where=str(checkpoint / "tokenizer.json"),
        next_step=byte_fallback_hint(checkpoint),
        log=log,
    )
