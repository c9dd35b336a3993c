"""Two versions of a registry, or two builds of stores, beside each other."""

from typing import TYPE_CHECKING, overload

from quantgate.flows.interface.builds import Build
from quantgate.pipelines.domain.errors import InputError

if TYPE_CHECKING:
    from quantgate.pipelines.report.between.builds import BuildsCompared
    from quantgate.registry import VersionComparison


@overload
def compare(first: str, second: str) -> "VersionComparison": ...
@overload
def compare(first: Build, second: Build) -> "BuildsCompared": ...
def compare(first: str | Build, second: str | Build) -> "VersionComparison | BuildsCompared":
    """Compare two registered versions (`name/1`), or two builds, item by item.

    Raises:
        InputError: one of them is not there, they have no suite in common, or only one is a build.
        ServiceError: the registry does not answer.
    """
    if isinstance(first, Build) and isinstance(second, Build):
        from quantgate.flows.cli.reports.comparing import opened
        from quantgate.pipelines.report.between.builds import compare_builds

        return compare_builds(opened(first.name, first.store), opened(second.name, second.store))
    if isinstance(first, Build) or isinstance(second, Build):
        raise InputError(
            "a build cannot be held against a registered version",
            where="compare",
            next_step="name two versions (`name/1`), or hand over two builds (`qg.open_build`)",
        )
    from quantgate.registry import compare as compare_versions

    return compare_versions(first, second)
