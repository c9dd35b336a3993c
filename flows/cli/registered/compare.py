"""`quantgate compare`: two registered versions beside each other."""

from quantgate.flows.cli.views.comparison import show_comparison
from quantgate.flows.cli.views.plain import print_plain_json
from quantgate.registry import compare


def compare_command(first: str, second: str, *, as_json: bool) -> int:
    """Print in which facts two versions differ, and which items they answer unalike."""
    comparison = compare(first, second)
    if as_json:
        print_plain_json(comparison)
    else:
        show_comparison(comparison)
    return 0
