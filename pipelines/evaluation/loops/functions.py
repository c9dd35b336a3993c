"""Simulated tools that compute: a suite's own pure functions, each call in a sandbox of its own.

The team wrote the function, and the model its arguments: neither may hang or harm a build. Results are
observations, sealed in the store like those of graders, so that an interrupted run reads them.
"""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from quantgate.pipelines.domain.suites.turns import ToolFunction
from quantgate.pipelines.domain.values import JsonObject, canonical_json, digest_of
from quantgate.pipelines.evaluation.observing import ObservationRunner, Question
from quantgate.pipelines.process.calls import ignore_progress

FUNCTION_SECONDS = 5.0
"""Processor time of one call, and the most it may sleep; what takes longer has no result."""
MOST_RESULT_CHARACTERS = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall:
    """A function with its arguments as canonical JSON: equal calls have equal results."""

    function: ToolFunction
    arguments: str

    @property
    def id(self) -> str:
        """Identity of the call."""
        return digest_of([self.function.source, self.function.name, self.arguments])


def function_call(function: ToolFunction, arguments: JsonObject) -> FunctionCall:
    """Return the call of a function with these arguments."""
    return FunctionCall(function=function, arguments=canonical_json(arguments))


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionObserver:
    """What runs functions, as `ObservationRunner` wants to know it."""

    name: str = "tool_function@1"
    worker: str = "quantgate.pipelines.evaluation.workers.function_observe"

    @property
    def options(self) -> JsonObject:
        """Limits, and the version of the language, on which results depend."""
        return {
            "seconds": FUNCTION_SECONDS,
            "characters": MOST_RESULT_CHARACTERS,
            "python": platform.python_version(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFunctions:
    """Computes what functions answer."""

    observation_runner: ObservationRunner

    def results(self, calls: Sequence[FunctionCall]) -> Mapping[FunctionCall, str | None]:
        """Return the text of every result; a call that raised gets its error as JSON.

        Raises:
            InputError: where sealed results were altered.
            ToolchainError, WorkerError: where no sandbox works here, or the worker fails.
        """
        if not calls:
            return {}
        each = sorted(dict.fromkeys(calls), key=lambda call: call.id)
        questions = [
            Question(
                id=call.id,
                question={
                    "source": call.function.source,
                    "name": call.function.name,
                    "arguments": cast("JsonObject", json.loads(call.arguments)),
                },
            )
            for call in each
        ]
        observed = self.observation_runner.observe(FunctionObserver(), questions, ignore_progress)
        return {call: cast("str | None", observed[call.id]) for call in each}
