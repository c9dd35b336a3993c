"""What quants of others are called in tables, files and the registry."""

import re
from collections.abc import Iterable

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.registrable import LONGEST_NAME

PREFIX = "foreign--"

_UNFIT = re.compile(r"[^A-Za-z0-9_.@]+")
_ROOM = LONGEST_NAME - len(PREFIX) - len("--kv_q8_0")


def recipe_name(name: str, base_name: str) -> str:
    """Return a recipe's name for a quant by its own name, without that of its base and all before it.

    Of `org_Model-2B-it-Q4_K_M` and the base `model-2b-it` that is `foreign--Q4_K_M`.
    """
    found_at = _plain(name).rfind(_plain(base_name)) if _plain(base_name) else -1
    rest = _after(name, found_at + len(_plain(base_name))) if found_at >= 0 else name
    fitting = _fitting(rest) or _fitting(name) or "quant"
    return PREFIX + fitting[:_ROOM].rstrip("-._")


def refuse_equal_names(names: Iterable[tuple[str, str]]) -> None:
    """Refuse two quants of one name; pairs are names and where each was found.

    Raises:
        InputError: naming both.
    """
    places: dict[str, str] = {}
    for name, place in names:
        if name in places:
            raise InputError(
                f"{places[name]} and {place} would both be called {name}",
                next_step="rename one of the files, or name it in a build file: "
                "`foreign: [{source: …, name: …}]`",
            )
        places[name] = place


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _after(text: str, count: int) -> str:
    """Return what follows the first so many letters and digits."""
    for position, letter in enumerate(text):
        if count == 0:
            return text[position:]
        count -= letter.isalnum()
    return ""


def _fitting(text: str) -> str:
    return _UNFIT.sub("-", text).strip("-._")
