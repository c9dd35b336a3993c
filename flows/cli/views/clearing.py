"""What `quantgate gc` shows: what may go, how much that frees, what stays and why."""

from collections import Counter

from quantgate.flows.build.clearing.removing import Clearing
from quantgate.flows.cli.views.plain import print_table
from quantgate.flows.cli.views.sizes import megabytes


def show_clearing(clearing: Clearing) -> None:
    """Print every file and folder that may go, and of those that stay how many for which reason."""
    root = clearing.store
    if clearing.removable:
        rows = [("may go", "frees", "where", "because")]
        for each in clearing.removable:
            size, where = megabytes(each.size_bytes), each.path.relative_to(root)
            rows.append((each.kind, size, str(where), each.reason))
        print_table(rows)
        print(f"together {megabytes(clearing.size_bytes)} in {root}")
    else:
        print(f"nothing may go in {root}")
    if clearing.unasked is not None:
        print(f"the registry could not be asked, so every variant stays: {clearing.unasked}")
    reasons = Counter((kept.kind, kept.reason) for kept in clearing.kept)
    for (kind, reason), count in sorted(reasons.items()):
        print(f"stays: {count} × {kind}: {reason}")
