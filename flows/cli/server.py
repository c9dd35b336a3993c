"""`quantgate up` and `down`: this project's Prefect server."""

import sys

from quantgate.flows.build.planning.preparing import prepare
from quantgate.flows.orchestration.server.api import down, up
from quantgate.flows.settings import Settings


def up_command() -> int:
    """Start the project's Prefect server and let it stay."""
    store = Settings.from_environment().store
    prepare(store)
    status = up(store.root, _say)
    print(f"Prefect is up: open {status.pages} in a browser (its API is {status.url})")
    return 0


def down_command() -> int:
    """Stop the project's Prefect server."""
    status = down(Settings.from_environment().store.root, _say)
    clients = f"; {status.clients} running builds keep it until they end" if status.url else ""
    print(f"Prefect is {'asked to stop' if status.url else 'stopped'}{clients}")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)
