"""What nobody may read: passwords, tokens and keys, and taking them out of texts.

Two rules find them. *Values*: what environment variables hold whose names say that it is secret, and
passwords in addresses that variables hold, in every spelling that a message may give them (percent-encoded,
escaped in JSON, in the base64 of HTTP's basic authentication, RFC 7617). *Shapes*: userinfo in addresses
(RFC 3986, 3.2.1), tokens in queries, Authorization headers (RFC 9110, 11.6.2) and tokens of well-known
services.

`redacted` applies both and is for messages. `without_values` replaces values only, and none that is an
everyday word: it is for output that may hold answers or paths, which shapes would spoil.
"""

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote, urlsplit, urlunsplit

HIDDEN = "***"
NAMES_VARIABLE = "QUANTGATE_HIDDEN_VARIABLES"
"""Names of further variables with secrets, with commas between; for programs that are started."""

_SHORTEST = 6
_NAME = re.compile(
    r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|AUTH_STRING)$",
    re.IGNORECASE,
)
_OPTION = re.compile(
    r"(?:^-*|[_-])(?:api[_-]?keys?|(?:auth|access|hf|bearer)[_-]?token|secret(?:[_-]key)?|password|passwd"
    r"|passphrase|credentials?|authorization)$|^-*token$",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,40}://)(?P<user>[^\s/?#'\"<>]*)@")
_TOKEN_USER = 12
_FIELD = (
    r"api[_-]?key|apikey|access[_-]?token|refresh[_-]?token|client[_-]?secret"
    r"|token|password|passwd|pwd|secret"
)
_QUERY = rf"{_FIELD}|key|auth|sig|signature|credential|X-Amz-[A-Za-z-]+"
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"([?&;](?:{_QUERY})=)[^&\s'\"<>#;]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(rf"(\b(?:{_FIELD})=)(?!{re.escape(HIDDEN)})[^&\s'\"<>#;,)]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(rf"(['\"](?:{_FIELD})['\"]\s*:\s*['\"])[^'\"]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (
        re.compile(r"(authorization['\"]?\s*[:=]\s*(?:b(?=['\"]))?['\"]?(?:(?:bearer|basic|token|digest)\s+)?)[^\s'\",;]+",
                   re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"\b(Bearer\s+)(?=[^\s'\"]*[\d_.=-])[A-Za-z0-9._~+/=-]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(Basic\s+)(?=[A-Za-z0-9+/]*[A-Z0-9])[A-Za-z0-9+/]{8,}=*"), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"\b(?:hf_[A-Za-z0-9]{8,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|dapi[0-9a-f]{32}"
            r"|xox[abprs]-[\w-]{10,}|sk-(?=[\w-]{0,200}\d)[\w-]{16,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,})"
        ),
        HIDDEN,
    ),
)  # fmt: skip


class Secret:
    """A text that shows itself only where it is asked to."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Hold a value; from now on this process's messages leave it out, whatever variable it is in."""
        self._value = value
        if len(value) >= _SHORTEST:
            _held.add(value)

    def reveal(self) -> str:
        """Return the value, for the one who has to send it."""
        return self._value

    def __repr__(self) -> str:
        """Say that there is one."""
        return f"Secret({HIDDEN})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Compare values."""
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        """As values are."""
        return hash(self._value)


_held: set[str] = set()
"""Values that this process was given as secrets."""


def variable_is_secret(name: str) -> bool:
    """Whether an environment variable's name says that its value is secret."""
    return bool(_NAME.search(name))


def option_is_secret(name: str) -> bool:
    """Whether an option's or a field's name says that its value is secret (`max_tokens` does not)."""
    return bool(_OPTION.search(name))


def secret_values(environment: Mapping[str, str]) -> frozenset[str]:
    """Return the secrets that variables hold: at least six characters each, no paths."""
    extra = environment.get(NAMES_VARIABLE, "").split(",")
    secrets: set[str] = set()
    for name, value in environment.items():
        if (_NAME.search(name) or name in extra) and not value.startswith("/"):
            secrets.add(value)
        secrets.update(_passwords(value))
    return frozenset(value for value in secrets if len(value) >= _SHORTEST)


def redacted(text: str) -> str:
    """Return a message without secrets: this process's values, and whatever has a secret's shape."""
    for value in sorted(_all_values(), key=len, reverse=True):
        text = _without(text, value)
    text = _USERINFO.sub(_hidden_user, text)
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text


def without_values(text: str) -> str:
    """Return output without this process's secret values.

    A variable's value of small letters only is left alone, as it may be a word; a `Secret`'s never is.
    """
    for value in sorted(_all_values(), key=len, reverse=True):
        if value in _held or not (value.isalpha() and value.islower()):
            text = _without(text, value)
    return text


def without_userinfo(address: str) -> str:
    """Return an address without user and password."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def redacted_bytes(text: bytes, values: Iterable[str]) -> bytes:
    """Return a program's output without the given values."""
    for value in sorted(values, key=len, reverse=True):
        for spelling in _spellings(value):
            text = text.replace(spelling.encode(), HIDDEN.encode())
    return text


def _all_values() -> frozenset[str]:
    return _values_of(frozenset(os.environ.items())) | _held


@lru_cache(maxsize=4)
def _values_of(variables: frozenset[tuple[str, str]]) -> frozenset[str]:
    """Kept for as long as no variable changes: a worker's log is asked about line by line."""
    return secret_values(dict(variables))


def _without(text: str, value: str) -> str:
    for spelling in _spellings(value):
        if spelling in text:
            text = text.replace(spelling, HIDDEN)
    return text


def _spellings(value: str) -> Iterator[str]:
    seen = set()
    encoded = quote(value, safe="")
    for spelling in (
        value,
        encoded,
        re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), encoded),
        quote(value),
        quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
    ):
        if spelling not in seen:
            seen.add(spelling)
            yield spelling


def _passwords(value: str) -> Iterator[str]:
    """Passwords in a variable that holds an address, and their basic authentication."""
    if "://" not in value or "@" not in value:
        return
    try:
        parts = urlsplit(value)
        user, password = parts.username or "", parts.password
    except ValueError:
        return
    if password:
        plain = unquote(password)
        yield from (password, plain)
        yield base64.b64encode(f"{unquote(user)}:{plain}".encode()).decode()


def _hidden_user(userinfo: re.Match[str]) -> str:
    user, colon, _ = userinfo["user"].partition(":")
    if colon:
        return f"{userinfo['scheme']}{user}:{HIDDEN}@"
    return userinfo[0] if len(user) < _TOKEN_USER else f"{userinfo['scheme']}{HIDDEN}@"
