"""Where tools and what is cheap to lose are kept for all stores of a person."""

import os
from collections.abc import Mapping
from pathlib import Path


def tool_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that QUANTGATE_CACHE names, else `quantgate` in the user's cache."""
    if named := environment.get("QUANTGATE_CACHE"):
        return Path(named).expanduser().resolve()
    base = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "quantgate"
