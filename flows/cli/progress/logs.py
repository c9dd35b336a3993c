"""`quantgate logs`: what child processes of a unit wrote."""

import shutil
import sys

from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import NotFoundError


def logs_command(unit: str, *, everything: bool) -> int:
    """Print the latest log whose name holds `unit`, or all of them; names go to standard error.

    Raises:
        NotFoundError: there is none.
    """
    folder = Settings.from_environment().store.logs
    files = [path for path in folder.glob("*.log") if unit in path.stem]
    files.sort(key=lambda path: path.stat().st_mtime_ns)
    if not files:
        raise NotFoundError(
            "has no log in this store", where=unit, next_step=f"logs lie in {folder}"
        )
    for path in files if everything else files[-1:]:
        print(f"{path}:", file=sys.stderr, flush=True)
        with path.open(encoding="utf-8", errors="replace") as log:
            shutil.copyfileobj(log, sys.stdout)
    if not everything and len(files) > 1:
        print(f"and {len(files) - 1} earlier: --all", file=sys.stderr)
    return 0
