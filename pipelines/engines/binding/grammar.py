"""A JSON schema as a grammar of llguidance, and what of schemas cannot be one.

llguidance follows draft 2020-12 (docs/json_schema.md there). What it has no grammar for is left out here
(`lenient`), so that the grader has to check it again; see "Bound answers" in docs/graders.md.
"""

import json
from functools import cache, lru_cache

from llguidance import LLMatcher, LLTokenizer

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.binding.closed import closed

_SETTINGS: JsonObject = {
    # Without an end to whitespace some models write nothing else.
    "whitespace_pattern": r" |\n[ \t]{0,20}",
    "json_allow_general_unicode_escapes": True,
    "lenient": True,
}
# Else the only tokens that are allowed in a text without choice are those that a tokenizer would choose.
SIMPLER_SCHEMA = "simplify the schema, or set `decode.constrained: false`"
_NOTHING_FORCED = '%llguidance {"no_forcing": true}'
_UNSATISFIABLE = "Unsatisfiable schema: "


@lru_cache(maxsize=256)
def grammar_of(schema: str) -> str:
    """Return the grammar of a JSON schema, given as JSON text whose key order is the answer's.

    Raises:
        InputError: where nothing could meet it, or no grammar can be made of it.
    """
    try:
        whole = closed(json.loads(schema), _compiles)
    except RecursionError as error:
        raise InputError(
            "the JSON schema is nested too deep for a grammar",
            next_step=SIMPLER_SCHEMA,
        ) from error
    if not isinstance(whole, dict):
        whole = {} if whole is True else {"enum": []}
    problem = _problem(whole)
    if problem.startswith(_UNSATISFIABLE):
        problem = problem.removeprefix(_UNSATISFIABLE)
        raise InputError(
            f"the JSON schema allows nothing at one place: no answer could meet it ({problem})",
            next_step="mend the schema, so that some answer can meet it",
        )
    if problem:
        raise InputError(
            f"no grammar can be made of the JSON schema: {problem}",
            next_step=SIMPLER_SCHEMA,
        )
    return f"{_NOTHING_FORCED}\nstart: %json {_set_up(whole)}"


def _set_up(schema: JsonObject) -> str:
    return json.dumps(schema | {"x-guidance": _SETTINGS})


def _problem(schema: JsonObject) -> str:
    """Return why no grammar can be made of a schema, "" where one can."""
    try:
        grammar = LLMatcher.grammar_from_json_schema(_set_up(schema))
    except ValueError as error:  # texts that UTF-8 cannot hold
        return str(error)
    matcher = LLMatcher(_every_byte(), grammar, log_level=0)
    if matcher.is_error():
        return " ".join(matcher.get_error().split())
    matcher.compute_bitmask()
    return f"{_UNSATISFIABLE}no text meets it" if matcher.is_error() else ""


def _compiles(schema: JsonObject) -> bool:
    return not _problem(schema)


@cache
def _every_byte() -> LLTokenizer:
    """Return a vocabulary of single bytes: what can be made of a schema depends on no vocabulary."""
    return LLTokenizer("byte")
