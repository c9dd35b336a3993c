"""Scripts of the smollm2 example as modules: they import each other by bare names, as where they are run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.project import PROJECT

SMOLLM2 = PROJECT / "examples" / "smollm2"
_TRAIN = SMOLLM2 / "train"


@contextmanager
def importable_scripts() -> Iterator[None]:
    """Let the scripts be imported; afterwards none of them stands in the way of other modules' names."""
    path, modules = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(_TRAIN))
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith(str(PROJECT / "examples")):
                del sys.modules[name]
