"""Sizes as people write them: `6GB`, `512MiB`, `1.5 GB`, `4000000`."""

import re
from math import isfinite

from quantgate.pipelines.domain.errors import InputError

_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def parse_size(text: str) -> int:
    """Return bytes: GB is 10^9, GiB is 2^30, a bare number is bytes; case does not matter.

    Raises:
        InputError: where the text is not a positive size.
    """
    match = _SIZE.fullmatch(text)
    unit = _UNITS.get(match[2].lower()) if match else None
    size = float(match[1]) * unit if match and unit else 0.0
    size_bytes = int(size) if isfinite(size) else 0
    if size_bytes <= 0:
        raise InputError(
            "is not a size",
            where=repr(text),
            next_step="write it as 6GB (10^9 bytes), 6GiB (2^30), 500MB or a number of bytes",
        )
    return size_bytes
