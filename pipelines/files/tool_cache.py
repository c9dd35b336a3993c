"""Where tools and what is cheap to lose are kept for all stores of a person."""

import os
from collections.abc import Mapping
from pathlib import Path

from quantgate.pipelines.files.reading import at_home


def tool_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that QUANTGATE_CACHE names, else `quantgate` in the user's cache.

    Raises:
        InputError: where it is in the home of somebody who has none.
    """
    if named := environment.get("QUANTGATE_CACHE"):
        return at_home(named).resolve()
    base = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return at_home(base) / "quantgate"
