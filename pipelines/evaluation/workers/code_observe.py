"""Worker: runs programs against their tests, in a sandbox."""

from dataclasses import asdict
from typing import cast

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.graders.observed.code import CodeGrader
from quantgate.pipelines.evaluation.observing import ObserveCall, ObserveTally
from quantgate.pipelines.evaluation.sandbox.choose import chosen_sandbox
from quantgate.pipelines.evaluation.sandbox.kinds import SandboxLimits
from quantgate.pipelines.evaluation.sandbox.run import ProgramUnderTest, run_program
from quantgate.pipelines.evaluation.workers.observations import observe_each, threads_allowed
from quantgate.pipelines.files.records import from_json
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.process.harness import serve


def observe(call: ObserveCall, on_progress: OnProgress) -> ObserveTally:
    """Run the question's programs; an observation is `{passed, reason, sandbox}`.

    Raises:
        ToolchainError: where no sandbox works here and none of the ways to do without was chosen.
    """
    options = from_json(CodeGrader, {k: v for k, v in call.options.items() if k != "python"})
    kind = chosen_sandbox(allow_unsandboxed=options.allow_unsandboxed)
    limits = SandboxLimits(
        seconds=options.seconds,
        memory_bytes=options.memory_mib << 20,
        packages=options.packages,
    )

    def observed(question: JsonValue) -> JsonValue:
        asked = cast("JsonObject", question)
        tested = ProgramUnderTest(
            programs=[str(program) for program in cast("list[JsonValue]", asked["programs"])],
            tests=str(asked["tests"]),
            entry_point=str(asked["entry_point"]),
            prelude=str(asked["prelude"]),
        )
        return asdict(run_program(kind, tested, limits))

    return observe_each(call, observed, on_progress, at_once=threads_allowed())


if __name__ == "__main__":
    serve(observe, ObserveCall)
