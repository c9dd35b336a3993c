"""Simulated tools: what they say to a call, from their tables alone."""

from quantgate.pipelines.domain.suites.turns import Loop, SimulatedTool
from quantgate.pipelines.domain.values import JsonObject, canonical_json
from quantgate.pipelines.evaluation.graders.calls.read import Call
from quantgate.pipelines.evaluation.graders.reading.strict_json import normalize


def result_of(loop: Loop, call: Call) -> str | None:
    """Return what a call is answered with; None where a function of the suite has to compute it."""
    tool = loop.tool(call.name)
    if tool is None:
        return loop.unknown_tool or error_text(f"there is no tool '{call.name}'")
    row = next((row for row in tool.rows if fits(row.arguments, call.arguments)), None)
    if row is not None:
        return row.result
    return None if tool.function is not None else no_result(tool, call)


def no_result(tool: SimulatedTool, call: Call) -> str:
    """Return what a tool says to a call that neither a row nor a function answers."""
    arguments = canonical_json(call.arguments)
    return tool.otherwise or error_text(f"{tool.name} has no result for {arguments}")


def fits(row: JsonObject, arguments: JsonObject) -> bool:
    """Whether a call has every argument of a row, with equal values; 1 and 1.0 are equal, 1 and true not."""
    return all(
        name in arguments
        and canonical_json(normalize(value)) == canonical_json(normalize(arguments[name]))
        for name, value in row.items()
    )


def error_text(what: str) -> str:
    """Return an error as tools usually tell it to a model."""
    return canonical_json({"error": what})
