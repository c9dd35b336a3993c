"""`quantgate pull`: a registered variant's files on this machine."""

import sys
import time
from pathlib import Path

from quantgate.flows.cli.views.plain import print_plain_json
from quantgate.flows.cli.views.sizes import megabytes
from quantgate.pipelines.files.reading import at_home
from quantgate.registry import pull


def pull_command(reference: str, folder: Path, *, as_json: bool) -> int:
    """Fetch and verify, and print where the files are and what serves them."""
    progress = _Progress()
    pulled = pull(reference, at_home(folder), on_pull=progress.show)
    progress.end()
    if as_json:
        print_plain_json(pulled)
    else:
        print(f"pulled  {pulled.version.uri}, every byte verified")
        print(f"path    {pulled.artifact}")
        print(f"serve   {pulled.command}")
    return 0


class _Progress:
    """Progress on standard error: one line that is written anew on a terminal, elsewhere a line a minute."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown_at = time.monotonic()
        self._shown = False

    def show(self, here: int, total: int) -> None:
        """Say how much is here, once in a while."""
        moment = time.monotonic()
        if moment - self._shown_at < (0.2 if self._terminal else 60.0):
            return
        self._shown_at, self._shown = moment, True
        share = here / total if total else 1.0
        line = f"{megabytes(here)} of {megabytes(total)} ({share:.0%})"
        print(f"\r{line:<60}" if self._terminal else line, end="" if self._terminal else "\n",
              file=sys.stderr, flush=True)  # fmt: skip

    def end(self) -> None:
        """Leave the line."""
        if self._shown and self._terminal:
            print(file=sys.stderr)
