"""What is wrong with deployments, one line each, before a server gets any of them.

Prefect itself takes most of this and fails at the first run, hours later and on another machine.
"""

import os
import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.exceptions import (
    MissingFlowError,
    ParameterTypeError,
    ScriptError,
    SignatureMismatchError,
)
from prefect.flows import load_flow_from_entrypoint

from quantgate.flows.orchestration.deploying.files import DeploymentSpec, resolved
from quantgate.flows.orchestration.following.cron import problem_of
from quantgate.flows.releases.watch_list import load_watch_list
from quantgate.pipelines.domain.errors import QuantgateError
from quantgate.pipelines.specs.builds import BuildOverrides, load_build
from quantgate.pipelines.specs.recipes import DEFAULT_RECIPES

_PARAMETER = re.compile(r"^ - (.+)$", re.MULTILINE)
"""How Prefect lists a parameter and what is wrong with it."""


def problems(
    deployments: tuple[DeploymentSpec, ...], environment: Mapping[str, str] = os.environ
) -> Iterator[str]:
    """Yield what is wrong with deployments; asks no server."""
    counted = Counter((spec.entrypoint, spec.name) for spec in deployments)
    for (_, name), times in counted.items():
        if times > 1:
            yield f"{name}: stands {times} times for the same flow: the last would overwrite the others"
    for spec in deployments:
        for problem in _of_one(spec, environment):
            yield f"{spec.name}: {problem}"


def _of_one(spec: DeploymentSpec, environment: Mapping[str, str]) -> Iterator[str]:
    for schedule in spec.schedules:
        problem = problem_of(schedule.cron) if schedule.cron is not None else None
        if problem is not None:
            yield f"'{schedule.cron}' {problem}"
    flow = _flow(spec.entrypoint)
    if isinstance(flow, str):
        yield f"{spec.entrypoint} {flow}"
        return
    parameters = resolved(spec.parameters, environment)
    if wrong := list(_of_parameters(flow, parameters)):
        yield from wrong
        return
    for name, read in _READ.items():
        value = parameters.get(name)
        if isinstance(value, str) and value:
            yield from _of_file(name, Path(value), read)


def _flow(entrypoint: str) -> Flow[Any, Any] | str:
    """Return what `module:name` or `file.py:name` stands for, as Prefect loads it; or why it is no flow."""
    file, is_file, _ = entrypoint.rpartition(".py:")
    if is_file and not Path(f"{file}.py").is_file():
        return "is in a file that is not there"
    try:
        return load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # code of theirs is run, and raises what it likes
        cause = (
            isinstance(error, ScriptError | MissingFlowError) and error.__cause__
        ) or error  # Prefect's own wrapping
        if _names_nothing(cause, entrypoint):
            return "is no flow"
        first = (str(cause).strip().splitlines() or [""])[0]
        return f"cannot be loaded: {type(cause).__name__}: {first}".removesuffix(": ")


def _names_nothing(error: BaseException, entrypoint: str) -> bool:
    """Whether it is the entrypoint itself that is wrong, and not what its module does when it is imported."""
    if isinstance(error, ModuleNotFoundError):
        return f"{entrypoint.partition(':')[0]}.".startswith(f"{error.name}.")
    if isinstance(error, MissingFlowError):
        return True
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]  # none: a mere cause
    names = (str(frame.f_globals.get("__name__", "")) for frame in frames[-1:])
    looking = any(name.startswith("prefect.") for name in names)
    return looking and isinstance(error, AttributeError | ValueError)


def _of_parameters(flow: Flow[Any, Any], parameters: dict[str, Any]) -> Iterator[str]:
    unknown = sorted(set(parameters) - set(flow.parameters.properties))
    if unknown:
        yield f"the flow has no parameter {', '.join(unknown)}"
        return
    lacking = sorted(set(flow.parameters.required) - set(parameters))
    if lacking:
        yield f"parameters lack {', '.join(lacking)}"
        return
    try:
        flow.validate_parameters(parameters)
    except (ParameterTypeError, SignatureMismatchError) as error:
        yield "; ".join(_PARAMETER.findall(str(error))) or str(error).splitlines()[0]


def _of_file(name: str, path: Path, read: Callable[[Path], object]) -> Iterator[str]:
    if not path.is_file():
        yield f"{name}: there is no file {path}"
        return
    try:
        read(path)
    except QuantgateError as error:
        yield f"{name}: {error.where or path}: {error.what}".replace("\n", "; ")


_READ: Mapping[str, Callable[[Path], object]] = {
    "build_file": lambda path: load_build(path, BuildOverrides(), DEFAULT_RECIPES),
    "watch_list": load_watch_list,
}
"""Parameters that are files, and what reads them."""
