"""Calls written as Python: `[f(a=1), g(b="x")]`. Read as syntax, never run: literals are all there is."""

import ast
import io
import keyword
import tokenize
import warnings

from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.graders.calls.read import Call, ReadCalls, gathered
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused, normalize
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

_MOST_CHARACTERS = 100_000
# Appended to arguments that are Python's own words (`from=3`), which its syntax does not allow.
_ESCAPED = "_is_no_keyword_here"
_SPELLED = {"true": True, "false": False, "null": None}
"""JSON's words, which models write inside Python calls."""


class _NotLiteralError(ValueError):
    """Raised below `python_calls`, which catches it."""


def python_calls(text: str, form: str) -> ReadCalls:
    """Read calls with named arguments: one, several on lines of their own, or a list of them.

    Refused: arguments without a name, `**` and `*`, names and expressions as values (a variable is
    no value that could be compared), keys that are no text, an argument given twice.
    """
    if len(text) > _MOST_CHARACTERS:
        return Refused(reason=f"a Python call longer than {_MOST_CHARACTERS} characters")
    try:
        body = _parsed(text.strip())
        return gathered([_call(node) for statement in body for node in _calls(statement)], form)
    except _NotLiteralError as error:
        return Refused(reason=f"no call with literal arguments: {error}")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return Refused(reason=f"not a Python call: {shorten(text.strip())!r}")


def _parsed(text: str) -> list[ast.stmt]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python comments on odd escapes in the model's text
        try:
            return ast.parse(text).body
        except SyntaxError:
            return ast.parse(_with_escaped_words(text)).body


def _with_escaped_words(text: str) -> str:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError) as error:
        raise SyntaxError(str(error)) from error
    follows = [token.string for token in tokens[1:]] + [""]
    return tokenize.untokenize(
        (token.type, token.string + _ESCAPED)
        if token.type == tokenize.NAME and keyword.iskeyword(token.string) and following == "="
        else (token.type, token.string)
        for token, following in zip(tokens, follows, strict=True)
    )


def _calls(statement: ast.stmt) -> list[ast.expr]:
    if not isinstance(statement, ast.Expr):
        raise _NotLiteralError("a statement stands where a call should")
    value = statement.value
    return list(value.elts) if isinstance(value, ast.List | ast.Tuple) else [value]


def _call(node: ast.expr) -> Call:
    if not isinstance(node, ast.Call):
        raise _NotLiteralError("something stands where a call should")
    name = _dotted(node.func)
    if name == "print" and len(node.args) == 1 and isinstance(node.args[0], ast.Call):
        return _call(node.args[0])
    if node.args:
        raise _NotLiteralError(f"{shorten(name)!r} has arguments without names")
    arguments: dict[str, JsonValue] = {}
    for given in node.keywords:
        argument = (given.arg or "").removesuffix(_ESCAPED)
        if not argument or argument in arguments:
            raise _NotLiteralError(f"an argument of {shorten(name)!r} has no name or stands twice")
        arguments[argument] = normalize(_literal(given.value))
    return Call(name=name, arguments=arguments)


def _dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise _NotLiteralError("what is called has no name")
    return ".".join([node.id, *reversed(parts)])


def _literal(node: ast.expr) -> JsonValue:
    if isinstance(node, ast.Constant):
        return _constant(node.value)
    if isinstance(node, ast.Name) and node.id in _SPELLED:
        return _SPELLED[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        number = _literal(node.operand)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise _NotLiteralError("a sign before something that is no number")
        return -number if isinstance(node.op, ast.USub) else number
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(element) for element in node.elts]
    if isinstance(node, ast.Dict):
        return _object(node)
    raise _NotLiteralError("a value is no literal")


def _constant(value: object) -> JsonValue:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and abs(value) != float("inf"):
        return value
    raise _NotLiteralError("a value is no JSON value")


def _object(node: ast.Dict) -> JsonValue:
    members: dict[str, JsonValue] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        name = _literal(key) if key is not None else None
        if not isinstance(name, str) or name in members:
            raise _NotLiteralError("a key is no text or stands twice")
        members[name] = _literal(value)
    return members
