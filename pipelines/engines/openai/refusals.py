"""What engines refuse in a request, so that a suite that needs it is refused before anything is built.

Tried on vLLM 0.32 (guidance and xgrammar behind response_format): five stop texts are HTTP 400 in both
endpoints; `uniqueItems` (false, too), `contains`, `minContains`, `maxContains` and unknown formats are HTTP
400; an object that has `minProperties` and no `properties` is HTTP 500. llama-server 0.3.36 takes them, and
ignores what it has no grammar for. OpenAI's own interface documents at most four stop texts (`stop`, API
reference of completions).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.http.reply_json import require_shallow

Refused = Callable[[JsonObject], str | None]
"""Names what of one subschema is refused, None where nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRefusals:
    """`most_stop_texts` None is no limit; `schema` looks at each subschema that binds an answer."""

    most_stop_texts: int | None = None
    schema: Refused = lambda _subschema: None

    def of(self, stops: Sequence[str], schema: str | None) -> str | None:
        """Return what an engine would refuse in a request with these, None where it takes them."""
        if self.most_stop_texts is not None and len(stops) > self.most_stop_texts:
            return f"{len(stops)} stop texts (it takes {self.most_stop_texts})"
        if schema is None:
            return None
        require_shallow(schema)
        refusals = (self.schema(part) for part in _subschemas(json.loads(schema)))
        return next((refusal for refusal in refusals if refusal is not None), None)


def _vllm(subschema: JsonObject) -> str | None:
    for name in ("uniqueItems", "contains", "minContains", "maxContains"):
        if name in subschema:
            return f"`{name}` in a JSON schema"
    if "minProperties" in subschema and "properties" not in subschema:
        return "`minProperties` without `properties` in a JSON schema"
    form = subschema.get("format")
    if isinstance(form, str) and form not in _FORMATS:
        return f"the format '{form}' in a JSON schema"
    return None


_FORMATS = (
    "date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference",
    "uri-template", "uuid", "json-pointer", "relative-json-pointer",
)  # fmt: skip
"""All but `uri-template` and `relative-json-pointer` were tried; `iban`, `regex`, `iri` were refused."""

NOTHING_REFUSED = EngineRefusals()
OPENAI_REFUSALS = EngineRefusals(most_stop_texts=4)
VLLM_REFUSALS = EngineRefusals(most_stop_texts=4, schema=_vllm)

_NO_SCHEMAS = ("const", "default", "enum", "examples")
_NAMED_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")


def _subschemas(value: JsonValue) -> Iterator[JsonObject]:
    """Yield a schema and all below it; what stands in `const` or under a property's name is no keyword."""
    if isinstance(value, list):
        for part in value:
            yield from _subschemas(part)
    if not isinstance(value, dict):
        return
    yield value
    for name, part in value.items():
        if name in _NAMED_SCHEMAS and isinstance(part, dict):
            for below in part.values():
                yield from _subschemas(below)
        elif name not in _NO_SCHEMAS:
            yield from _subschemas(part)
