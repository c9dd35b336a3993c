"""Arguments of calls as a model wrote them: a client parses 12.0 and sends it back, where graders see 12."""

import json
from collections.abc import Iterator

from quantgate.pipelines.domain.values import JsonObject, JsonValue, canonical_json
from quantgate.pipelines.evaluation.graders.calls.read import Call
from quantgate.pipelines.evaluation.graders.reading.strict_json import normalize

_DECODER = json.JSONDecoder()
_ARGUMENTS = ("arguments", "parameters")


def written_arguments(text: str, call: Call) -> JsonObject:
    """Return the arguments of a call as they stand in an answer; as they were read, where it is no JSON."""
    read = canonical_json(call.arguments)
    for written in _objects(text):
        if written.get("name") != call.name:
            continue
        for key in _ARGUMENTS:
            arguments = _opened(written.get(key))
            if isinstance(arguments, dict) and canonical_json(normalize(arguments)) == read:
                return arguments
    return call.arguments


def _objects(text: str) -> Iterator[JsonObject]:
    """Yield every JSON object in a text, those inside others after these."""
    at = text.find("{")
    while at >= 0:
        try:
            value, _ = _DECODER.raw_decode(text, at)
        except ValueError:
            value = None
        except RecursionError:  # so would be what follows in it
            return
        if isinstance(value, dict):
            yield value
        at = text.find("{", at + 1)


def _opened(value: JsonValue) -> JsonValue:
    if not isinstance(value, str):
        return value
    try:
        opened: JsonValue = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return opened
