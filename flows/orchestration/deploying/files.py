"""A file of deployments (`prefect.yaml`), as far as it can be checked."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from quantgate.pipelines.specs.loading import load_yaml

_VARIABLE = re.compile(r"\{\{\s*\$(\w+)\s*\}\}")


class _Loose(BaseModel):
    """A part of the file; Prefect reads the rest."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ScheduleSpec(_Loose):
    """When a deployment runs; None where it is no cron schedule."""

    cron: str | None = None


class WorkPoolSpec(_Loose):
    """Whose workers run it."""

    name: str


class DeploymentSpec(_Loose):
    """One deployment: a flow with parameters, a pool of workers, and when it runs."""

    name: str = Field(min_length=1)
    entrypoint: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    schedules: tuple[ScheduleSpec, ...] = ()
    work_pool: WorkPoolSpec | None = None


class DeploymentFileSpec(_Loose):
    """All deployments of a file."""

    deployments: tuple[DeploymentSpec, ...]


def load_deployments(path: Path) -> tuple[DeploymentSpec, ...]:
    """Read a file of deployments.

    Raises:
        InputError: with every problem and its line.
    """
    return load_yaml(path, DeploymentFileSpec).deployments


def resolved(values: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return parameters with `{{ $NAME }}` replaced by variables of the environment, as Prefect does."""

    def replaced(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return _VARIABLE.sub(lambda match: environment.get(match[1], ""), value)

    return {name: replaced(value) for name, value in values.items()}
