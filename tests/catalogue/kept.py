"""Outcomes that are kept, by architecture and versions of tools: a run goes on where it was ended."""

import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.values import JsonValue, digest_of
from quantgate.pipelines.files.sealed import is_sealed, produce_once
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.pipelines.process.calls import RunWorker
from tests.support.architectures.building import Workplace, outcome_of
from tests.support.architectures.names import Architecture
from tests.support.architectures.outcomes import Outcome

_TOOLS = ("llama-cpp-python", "transformers", "llmcompressor", "compressed-tensors", "torch")


def tool_versions() -> Mapping[str, str]:
    """Return what takes part, by package."""
    return {name: version(name) for name in _TOOLS}


class KeptOutcomes:
    """A folder of outcomes in this person's tool cache, each sealed as soon as it is there.

    Our own code is not part of their names: what it changed is tried again where somebody asks (`forget`),
    and the tests of `make slow` try every architecture anew.
    """

    def __init__(self, settings: Settings, run_worker: RunWorker) -> None:
        """Try what is missing with these settings."""
        self._folder = settings.tool_cache / "catalogue"
        self._run_worker = run_worker

    def holds(self, architecture: Architecture) -> bool:
        """Say whether an outcome is there already."""
        return is_sealed(self._place(architecture))

    def forget(self, architecture: Architecture) -> None:
        """Let an architecture be tried again."""
        shutil.rmtree(self._place(architecture), ignore_errors=True)

    def outcome(self, architecture: Architecture) -> Outcome:
        """Return what became of an architecture, tried if nobody has; nothing is kept of it but this.

        Raises:
            InterruptionError, ToolchainError: over this machine.
        """

        def produce(_: Path) -> Outcome:
            with temporary_folder() as folder:
                return outcome_of(architecture, Workplace.at(folder, self._run_worker))

        return produce_once(self._place(architecture), Outcome, produce).record

    def _place(self, architecture: Architecture) -> Path:
        tools: JsonValue = dict(tool_versions())
        key = digest_of([architecture.name, architecture.model_type, tools])
        return self._folder / f"{architecture.name}-{key[:16]}"
