"""The side that calls one function of a suite's tool. A text is said as it stands, other values as JSON."""

import json
import types
from typing import Any

from quantgate.pipelines.evaluation.sandbox.judged.peer import Lines, error_text


def begin(lines: Lines, order: dict[str, Any]) -> None:
    """Call the function that the order names, and say its value or what it raised."""
    call = order["call"]
    module = types.ModuleType("tools")
    try:
        exec(compile(order["source"], "<tools>", "exec"), module.__dict__)
        value = module.__dict__[call["name"]](**call["arguments"])
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if len(text) > call["characters"]:
            raise ValueError(f"its result is longer than {call['characters']:,} characters")
    except BaseException as error:  # noqa: BLE001 - a function may raise anything, SystemExit too
        lines.say({"state": "failed", "what": error_text(error)})
    else:
        lines.say({"state": "value", "value": text})
