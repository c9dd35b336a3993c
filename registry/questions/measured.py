"""What this registry measured of an architecture: the verdicts of every recipe that was judged on it."""

from dataclasses import dataclass

from quantgate.registry.opening import open_light_reader
from quantgate.registry.protocol import TaggedRun
from quantgate.registry.recording.names import OpenLight
from quantgate.registry.tracking import Tracking

_MOST_MODELS = 40
"""How many models of a registry are looked through, of names near the one that is asked about first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRecipe:
    """One verdict on a recipe: `model` is what it was registered under, `suite` `name@version`.

    `speed_ratio` is its share of its base's generated tokens a second on `device`, `none` where it was not
    timed.
    """

    recipe: str
    verdict: str
    model: str
    suite: str
    accuracy: str
    reference_accuracy: str
    speed_ratio: str = "none"
    device: str = "none"

    @property
    def sentence(self) -> str:
        """Say what was measured."""
        words = {"pass": "passed", "fail": "failed", "inconclusive": "stayed inconclusive"}
        rates = ""
        if self.accuracy != "none" and self.reference_accuracy != "none":
            before, after = float(self.reference_accuracy), float(self.accuracy)
            rates = f" ({before:.1%} -> {after:.1%})"
        speed = ""
        if self.speed_ratio != "none":
            speed = (
                f", {float(self.speed_ratio):.2f} of its base's tokens a second on {self.device}"
            )
        said = words.get(self.verdict, self.verdict)
        return f"{said} here: {self.model} on {self.suite}{rates}{speed}"


def measured_of(
    architecture: str,
    model: str,
    tracking: Tracking,
    *,
    open_reader: OpenLight = open_light_reader,
) -> tuple[MeasuredRecipe, ...]:
    """Return verdicts on recipes of this architecture, those on models called like `model` first.

    Empty where there is no registry yet, or none that can be read in milliseconds.

    Raises:
        ServiceError, ToolchainError: the registry cannot be asked.
    """
    if tracking.database is not None and not tracking.database.is_file():
        return ()
    with open_reader(tracking) as reader:
        if reader is None:
            return ()
        names = sorted(reader.model_names(model), key=lambda name: name != model)
        runs = [
            (name, run)
            for name in names[:_MOST_MODELS]
            for run in reader.tagged_runs(name, {"architecture": architecture})
        ]
    return tuple(_measured(name, run) for name, run in runs if "recipe" in run.tags)


def _measured(model: str, run: TaggedRun) -> MeasuredRecipe:
    tags = run.tags
    return MeasuredRecipe(
        recipe=tags["recipe"],
        verdict=tags.get("verdict", ""),
        model=model,
        suite=tags.get("suite", ""),
        accuracy=tags.get("accuracy", "none"),
        reference_accuracy=tags.get("reference_accuracy", "none"),
        speed_ratio=tags.get("speed_ratio", "none"),
        device=tags.get("runtime_device", "none"),
    )
