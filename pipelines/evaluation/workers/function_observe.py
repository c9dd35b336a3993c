"""Worker: runs a suite's own functions for simulated tools, each call in a sandbox of its own."""

from typing import cast

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.observing import ObserveCall, ObserveTally
from quantgate.pipelines.evaluation.sandbox.choose import chosen_sandbox
from quantgate.pipelines.evaluation.sandbox.function import FunctionQuestion, run_function
from quantgate.pipelines.evaluation.sandbox.kinds import SandboxLimits
from quantgate.pipelines.evaluation.workers.observations import observe_each, threads_allowed
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.process.harness import serve

_MEMORY_BYTES = 256 << 20


def observe(call: ObserveCall, on_progress: OnProgress) -> ObserveTally:
    """Run each question's function; an observation is the text that the tool says.

    Raises:
        ToolchainError: where no sandbox works here and doing without was not chosen.
    """
    kind = chosen_sandbox(allow_unsandboxed=False)
    limits = SandboxLimits(
        seconds=cast("float", call.options["seconds"]), memory_bytes=_MEMORY_BYTES
    )

    def observed(question: JsonValue) -> JsonValue:
        asked = cast("JsonObject", question)
        return run_function(
            kind,
            FunctionQuestion(
                source=str(asked["source"]),
                name=str(asked["name"]),
                arguments=cast("JsonObject", asked["arguments"]),
                characters=cast("int", call.options["characters"]),
            ),
            limits,
        )

    return observe_each(call, observed, on_progress, at_once=threads_allowed())


if __name__ == "__main__":
    serve(observe, ObserveCall)
