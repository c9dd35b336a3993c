"""What pydantic finds wrong, in words of ours: one row for each of its error types.

Its own wording ("Tuple should have at least 1 item after validation, not 0") names Python's types and not
what a person writes. Source of the types: https://docs.pydantic.dev/latest/errors/validation_errors/.
"""

from collections.abc import Mapping

from pydantic_core import ErrorDetails

AS_RAISED = "{error}"
"""Errors that our own validators raise: their text is the sentence."""

_TEXT, _NUMBER, _OBJECT, _LIST = "a text", "a number", "an object (`key: value`)", "a list"
_HAS_TO_BE = "has to be {what}, not {{given}}"


def _be(what: str) -> str:
    return _HAS_TO_BE.format(what=what)


SENTENCES: Mapping[str, str] = {
    "missing": "is missing",
    "extra_forbidden": "is an unknown key",
    "value_error": AS_RAISED,
    "assertion_error": AS_RAISED,
    "json_invalid": "is not valid JSON",
    # what kind of value it is
    **dict.fromkeys(
        ("string_type", "url_type", "uuid_type", "json_type"),
        _be(_TEXT),
    ),
    "string_not_ascii": "may hold plain letters, digits and signs (ASCII) only, not {given}",
    "string_unicode": "is text that cannot be written as UTF-8",
    **dict.fromkeys(("bool_type", "bool_parsing"), _be("true or false")),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _be("a whole number")),
    "int_parsing_size": "is too large a number",
    **dict.fromkeys(
        (
            "float_type", "float_parsing", "decimal_type", "decimal_parsing", "complex_type",
            "complex_str_parsing", "fraction_type", "fraction_parsing",
        ),
        _be(_NUMBER),
    ),
    "finite_number": _be("a finite number"),
    **dict.fromkeys(
        (
            "dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type",
            "dataclass_exact_type", "frozen_dict_type", "ordered_dict_type", "counter_type",
            "get_attribute_error", "no_such_attribute",
        ),
        _be(_OBJECT),
    ),
    **dict.fromkeys(
        (
            "list_type", "tuple_type", "set_type", "frozen_set_type", "deque_type", "iterable_type",
            "iteration_error", "named_tuple_type", "arguments_type",
        ),
        _be(_LIST),
    ),
    "none_required": _be("null"),
    "invalid_key": "is a key that is no text: put quotes around it",
    "set_item_not_hashable": "holds a list or an object where only texts and numbers can stand",
    # how large it is
    "greater_than": "has to be above {gt}, not {given}",
    "greater_than_equal": "has to be {ge} or more, not {given}",
    "less_than": "has to be below {lt}, not {given}",
    "less_than_equal": "has to be {le} or less, not {given}",
    "multiple_of": "has to be a multiple of {multiple_of}, not {given}",
    "too_short": "needs {min_length} or more, and has {actual_length}",
    "too_long": "may have {max_length} at most, and has {actual_length}",
    "string_too_short": "needs {min_length} or more characters",
    "string_too_long": "may have {max_length} characters at most",
    "bytes_too_short": "needs {min_length} or more bytes",
    "bytes_too_long": "may have {max_length} bytes at most",
    "url_too_long": "may have {max_length} characters at most",
    "decimal_max_digits": "may have {max_digits} digits at most",
    "decimal_max_places": "may have {decimal_places} decimal places at most",
    "decimal_whole_digits": "may have {whole_digits} digits before the point at most",
    # which value it is
    "string_pattern_mismatch": "is {given}, which does not fit the pattern {pattern}",
    **dict.fromkeys(("enum", "literal_error"), "has to be {expected}, not {given}"),
    "union_tag_invalid": "has {discriminator} {tag}, which has to be one of {expected_tags}",
    "union_tag_not_found": "needs the key {discriminator}",
    # what a text stands for
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
        _be("a day as YYYY-MM-DD"),
    ),
    **dict.fromkeys(("date_past", "datetime_past"), "has to lie in the past, not {given}"),
    **dict.fromkeys(("date_future", "datetime_future"), "has to lie in the future, not {given}"),
    **dict.fromkeys(("time_type", "time_parsing"), _be("a time as HH:MM:SS")),
    **dict.fromkeys(
        (
            "datetime_type", "datetime_parsing", "datetime_object_invalid",
            "datetime_from_date_parsing",
        ),
        _be("a time as YYYY-MM-DDTHH:MM:SS"),
    ),
    **dict.fromkeys(("timezone_naive", "timezone_aware", "timezone_offset"), "has the wrong time zone"),
    **dict.fromkeys(("time_delta_type", "time_delta_parsing"), _be("a duration")),
    **dict.fromkeys(("url_parsing", "url_syntax_violation"), _be("an address such as https://host/path")),
    "url_scheme": "has to be an address that begins with {expected_schemes}, not {given}",
    **dict.fromkeys(("uuid_parsing", "uuid_version"), _be("a UUID")),
    **dict.fromkeys(("bytes_type", "bytes_invalid_encoding"), _be(_TEXT)),
    # what only Python can hold: nothing that a file says
    **dict.fromkeys(
        ("recursion_loop", "recursion_depth_exceeded"), "is nested too deep"
    ),
    **dict.fromkeys(
        (
            "needs_python_object", "frozen_field", "frozen_instance", "default_factory_not_called",
            "missing_sentinel_error", "ellipsis_error", "is_instance_of", "is_subclass_of",
            "callable_type", "missing_argument", "unexpected_keyword_argument",
            "missing_keyword_only_argument", "unexpected_positional_argument",
            "missing_positional_only_argument", "multiple_argument_values",
        ),
        "cannot be {given}",
    ),
}  # fmt: skip

_SHOWN_CHARACTERS = 60


def sentence(detail: ErrorDetails) -> str:
    """Return what one error says, without its place."""
    template = SENTENCES.get(detail["type"], "cannot be {given}")
    context = {key: _plain(value) for key, value in detail.get("ctx", {}).items()}
    return template.format(**({"actual_length": "more"} | context), given=given(detail["input"]))


def place(detail: ErrorDetails, document: object) -> tuple[int | str, ...]:
    """Return where in a document an error stands, without what pydantic calls parts of unions."""
    kept: list[int | str] = []
    current = document
    last = len(detail["loc"]) - 1
    for number, part in enumerate(detail["loc"]):
        if _has(current, part):
            current = current[part]  # type: ignore[index]  # `_has` looked
        elif number < last or detail["type"] != "missing":
            continue
        kept.append(part)
    return tuple(kept)


def _has(value: object, part: int | str) -> bool:
    if isinstance(value, list | tuple):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, Mapping) and part in value


def given(value: object) -> str:
    """Return a value in a few words, as JSON would write it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return f"'{_short(value)}'"
        case int() | float():
            return _short(str(value)) if abs(value) < 1e300 else "a number that is too large"
        case dict():
            return "an object"
        case list() | tuple():
            return "a list" if value else "an empty list"
    return _short(str(value))


def _plain(value: object) -> object:
    if isinstance(value, float):
        return f"{value:g}"
    return "more" if value is None else value


def _short(text: str) -> str:
    shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    return shown.encode("utf-8", "backslashreplace").decode()
