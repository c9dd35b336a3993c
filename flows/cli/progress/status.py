"""`quantgate status`: builds that run and ran."""

import sys
import time

from quantgate.flows.build.states.builds import store_state
from quantgate.flows.cli.views.printing import print_json, print_json_line
from quantgate.flows.cli.views.running.activity import progress_lines
from quantgate.flows.settings import Settings

_LOOK_SECONDS = 2.0
_CLEAR = "\x1b[2J\x1b[H"


def status_command(build: str | None, *, follow: bool, as_json: bool) -> int:
    """Print the state of builds once, or again and again while any of them runs.

    Raises:
        NotFoundError: there is no such build.
    """
    store = Settings.from_environment().store
    while True:
        state = store_state(store, build)
        if follow and as_json:
            print_json_line(state)
        elif as_json:
            print_json(state)
        else:
            print(_CLEAR if follow and sys.stdout.isatty() else "", end="")
            print("\n".join(progress_lines(state, time.time())), flush=True)  # noqa: TID251 - of another process
        runs = state.planning or any(each.state == "running" for each in state.builds)
        if not (follow and runs):
            return 0
        time.sleep(_LOOK_SECONDS)
