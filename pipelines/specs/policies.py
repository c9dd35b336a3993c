"""Policy files."""

from pathlib import Path

from pydantic import Field

from pipelines.domain.errors import InputError
from pipelines.domain.policy import Policy
from pipelines.domain.suite import Suite
from pipelines.specs.loading import Spec, did_you_mean, load_yaml


class PolicySpec(Spec):
    """A policy file: when a variant may ship. Every key has a default."""

    max_break_rate: float = Field(default=0.10, gt=0, lt=1)
    """The most that may break of the items which the full-precision model reliably gets right."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence of the exact one-sided upper bound that has to stay below it."""
    critical_slices: tuple[str, ...] = ()
    """Slices of the suite in which not a single item may break."""
    require_all_slices: bool = False
    """Whether slices too small to prove themselves block as well."""
    reference_runs: int = Field(default=3, ge=1, le=50)
    """How often the base answers the suite; items it disagrees on with itself do not count."""


def load_policy(path: Path | None, suite: Suite) -> Policy:
    """Read a policy file (the default policy where there is none) and hold it against the suite.

    Raises:
        InputError: with every problem, and for a critical slice that the suite does not have.
    """
    spec = load_yaml(path, PolicySpec) if path else PolicySpec()
    names = [spec.name for spec in suite.slices]
    for name in spec.critical_slices:
        if name not in names:
            raise InputError(
                f"critical slice '{name}' is not in suite '{suite.name}'"
                f"{did_you_mean(name, names)}",
                where=str(path),
            )
    return Policy(**spec.model_dump())
