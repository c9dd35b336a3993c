"""`quantgate history`: a model's versions, and what its aliases stood for."""

from quantgate.flows.cli.views.history import show_history
from quantgate.flows.cli.views.plain import print_plain_json
from quantgate.registry import history

_NEWEST = 20


def history_command(model: str, *, everything: bool, as_json: bool) -> int:
    """Print the newest versions, or all of them, and how aliases changed."""
    events = history(model, newest=None if everything else _NEWEST)
    if as_json:
        print_plain_json(events)
    else:
        show_history(events)
    return 0
