"""Lengths of contexts, as people write them on a command line."""

import re

from quantgate.pipelines.domain.errors import InputError

_TOKENS = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([kKmM]?)")
_POWERS = {"": 0, "k": 1, "m": 2}


def parse_context(text: str, where: str) -> int:
    """Return a context in tokens: `8k` is 8,192, as models are named; `4096` is what it says.

    Raises:
        InputError: where it is none, or nothing.
    """
    written = _TOKENS.fullmatch(text.strip())
    if written is None or float(written[1]) <= 0:
        raise InputError(
            f"'{text}' is not a number of tokens", where=where, next_step="write it like 8k or 4096"
        )
    return int(float(written[1]) * 1024 ** _POWERS[written[2].lower()])
