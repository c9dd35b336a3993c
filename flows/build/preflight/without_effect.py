"""What of a build file or a command line has no effect, said before anything is paid for."""

from collections.abc import Callable
from datetime import UTC, datetime

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.verdicts.waiver import BaseDivergenceWaiver, ContaminationWaiver
from quantgate.pipelines.specs.builds import BuildSpec


def say_without_effect(spec: BuildSpec, checkpoint: Checkpoint, say: Callable[[str], None]) -> None:
    """Say which waivers have expired, and that weights in full precision are not expanded."""
    today = datetime.now(UTC).date()
    granted = spec.base_divergence_waiver
    waivers: list[ContaminationWaiver | BaseDivergenceWaiver] = [*spec.contamination_waivers]
    waivers += [granted] if granted else []
    for waiver in waivers:
        if not waiver.holds_on(today):
            say(f"a waiver has expired and lets nothing stand any more: {waiver}")
    expanded = checkpoint.expansion is not None or (
        checkpoint.origin is not None and checkpoint.origin.is_expanded
    )
    if spec.expansion and not expanded:
        say(
            f"{checkpoint.name} is in full precision: `expand` changes nothing, and is not recorded"
        )
