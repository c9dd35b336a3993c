"""Outcomes that are kept, part by part: a run goes on where it was ended, and tries what changed."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from importlib.metadata import version
from pathlib import Path

from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.values import Digest, JsonValue, digest_of
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.sealed import is_sealed, produce_once
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.pipelines.process.calls import RunWorker
from quantgate.pipelines.specs.recipes import catalogue
from tests.support.architectures.building import Candidate, Workplace
from tests.support.architectures.names import Architecture
from tests.support.architectures.outcomes import BASE, PARTS, Outcome, Tried, put_together
from tests.support.project import PROJECT

_TOOLS = ("llama-cpp-python", "transformers", "llmcompressor", "compressed-tensors", "torch")
_ENGINES, _AUDIT = "quantgate.pipelines.engines", "quantgate.pipelines.audit"
_ALL = (
    "quantgate.pipelines.checkpoints.resolving",
    f"{_ENGINES}.transformers.checkpoint_loading",
    f"{_ENGINES}.contents",
    f"{_ENGINES}.written",
    f"{_AUDIT}.expectation",
)
_GGUF = (*(f"{_ENGINES}.llamacpp.{each}" for each in ("backend", "runtime", "types.expected")),)
_FOLDER = (
    f"{_ENGINES}.llmcompressor.backend",
    f"{_ENGINES}.transformers.runtime",
    f"{_ENGINES}.expected",
)
_BASE = (
    f"{_ENGINES}.llamacpp.backend",
    f"{_ENGINES}.llamacpp.runtime",
    f"{_ENGINES}.transformers.runtime",
    f"{_AUDIT}.bench.base_divergence",
    f"{_AUDIT}.bench.divergence_causes",
)


def tool_versions() -> Mapping[str, str]:
    """Return what takes part, by package."""
    return {name: version(name) for name in _TOOLS}


class KeptOutcomes:
    """A folder of outcomes in this person's tool cache, each part sealed as soon as it is there.

    A part is named by the tools' versions, the code of ours that it reaches, and how small checkpoints are
    made: an edit to one engine leaves what others built.
    """

    def __init__(self, settings: Settings, run_worker: RunWorker) -> None:
        """Try what is missing with these settings."""
        self._folder = settings.tool_cache / "catalogue"
        self._run_worker = run_worker

    def holds(self, architecture: Architecture) -> bool:
        """Say whether all of an outcome is there already."""
        return all(is_sealed(self._place(architecture, part)) for part in PARTS)

    def forget(self, architecture: Architecture) -> None:
        """Let an architecture be tried again."""
        for part in PARTS:
            shutil.rmtree(self._place(architecture, part), ignore_errors=True)

    def outcome(self, architecture: Architecture) -> Outcome:
        """Return what became of an architecture; parts that nobody has are tried, and nothing else is kept.

        Raises:
            InterruptionError, ToolchainError: over this machine.
        """
        with ExitStack() as while_trying:

            @cache
            def candidate() -> Candidate:
                folder = while_trying.enter_context(temporary_folder())
                workplace = Workplace.at(folder, self._run_worker)
                return Candidate(architecture=architecture, workplace=workplace)

            def tried(part: str) -> Tried:
                place = self._place(architecture, part)
                return produce_once(place, Tried, lambda _: candidate().tried(part)).record

            return put_together(architecture, {part: tried(part) for part in PARTS})

    def _place(self, architecture: Architecture, part: str) -> Path:
        tools: JsonValue = dict(tool_versions())
        key = digest_of([architecture.name, architecture.model_type, tools, _code(part)])
        return self._folder / f"{architecture.name}-{part}-{key[:16]}"


@cache
def _code(part: str) -> Digest:
    """Return the digest of what makes a part: our code, and that which draws checkpoints and tries them."""
    drawing = sorted((PROJECT / "tests" / "support" / "architectures").glob("*.py"))
    return digest_of([source_digest(*modules_of(part)), *map(file_digest, drawing)])


def modules_of(part: str) -> tuple[str, ...]:
    """Return the modules of ours that a part begins with; what they reach counts as well."""
    if part == BASE:
        return (*_ALL, *_BASE, *_workers("llamacpp"), *_workers("transformers"))
    recipe = next(recipe for recipe in catalogue() if recipe.name == part)
    if recipe.format is Format.GGUF:
        return (*_ALL, *_GGUF, *_workers("llamacpp"))
    return (*_ALL, *_FOLDER, *_workers("llmcompressor"), *_workers("transformers"))


def _workers(engine: str) -> tuple[str, ...]:
    """Return an engine's workers by name: their names are put together where they are called."""
    folder = PROJECT / "pipelines" / "engines" / engine / "workers"
    files = (file.relative_to(PROJECT).with_suffix("") for file in sorted(folder.rglob("*.py")))
    return tuple(".".join(("quantgate", *file.parts)) for file in files if file.name != "__init__")
