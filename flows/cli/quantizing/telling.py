"""How a build's result is told: as JSON for programs, or as tables."""

from quantgate.flows.build.results.build_result import BuildResult
from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.cli.views.rendering import open_console
from quantgate.flows.cli.views.result import show_result


def tell_result(result: BuildResult, *, as_json: bool) -> int:
    """Print a result and return its exit code."""
    if as_json:
        print_json(result.details)
    else:
        show_result(result, open_console())
    return result.exit_code
