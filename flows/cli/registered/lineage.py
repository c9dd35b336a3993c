"""`quantgate lineage`: what a registered variant was made from."""

from quantgate.flows.cli.views.plain import print_plain_json
from quantgate.registry import lineage


def lineage_command(reference: str, *, as_json: bool) -> int:
    """Print a version's lineage; the first line names its calibration corpus."""
    origin = lineage(reference)
    if as_json:
        print_plain_json(origin)
    else:
        print(origin.describe())
    return 0
