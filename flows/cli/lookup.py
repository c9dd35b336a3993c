"""`quantgate lookup` and `lineage`: what the registry knows of variants."""

from dataclasses import dataclass

from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.cli.views.rendering import open_console
from quantgate.flows.cli.views.version import show_version
from quantgate.pipelines.files.records import to_json
from quantgate.registry import lineage, lookup, parse_size


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupOptions:
    """The command line of `quantgate lookup`."""

    model: str
    suite: str | None = None
    runtime: str | None = None
    file_format: str | None = None
    max_size: str | None = None
    as_json: bool = False


def lookup_command(options: LookupOptions) -> int:
    """Print the smallest passing version."""
    version = lookup(
        options.model,
        suite=options.suite,
        runtime=options.runtime,
        format=options.file_format,
        max_size_bytes=parse_size(options.max_size) if options.max_size else None,
    )
    if options.as_json:
        print_json(to_json(version))
    else:
        show_version(version, open_console())
    return 0


def lineage_command(reference: str, *, as_json: bool) -> int:
    """Print a version's lineage; the first line names its calibration corpus."""
    origin = lineage(reference)
    if as_json:
        print_json(to_json(origin))
    else:
        print(origin.describe())
    return 0
