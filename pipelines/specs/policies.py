"""Policy files."""

from pathlib import Path

from pydantic import Field

from pipelines.domain.errors import InputError
from pipelines.domain.policy import Policy
from pipelines.domain.suite import Suite
from pipelines.specs.loading import Spec, did_you_mean, load_yaml


class PolicySpec(Spec):
    """A policy file as a person writes it; every key has a default."""

    max_break_rate: float = Field(default=0.10, gt=0, lt=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    critical_slices: tuple[str, ...] = ()
    require_all_slices: bool = False
    reference_runs: int = Field(default=3, ge=1, le=50)


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
