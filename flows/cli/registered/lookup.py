"""`quantgate lookup`: the best passing version, or all of them."""

import sys
from dataclasses import dataclass

from quantgate.flows.cli.views.plain import print_plain_json
from quantgate.flows.cli.views.version import show_version, show_versions
from quantgate.registry import PassedOver, lookup, lookup_all, parse_size
from quantgate.registry.questions.wishes import Wishes


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupOptions:
    """The command line of `quantgate lookup`."""

    model: str
    suite: str | None = None
    runtime: str | None = None
    file_format: str | None = None
    max_size: str | None = None
    max_bits: float | None = None
    kv: str | None = None
    sort: str = "size"
    everything: bool = False
    as_json: bool = False

    @property
    def wishes(self) -> Wishes:
        """What is asked for.

        Raises:
            InputError: where the size is none.
        """
        return Wishes(
            suite=self.suite,
            runtime=self.runtime,
            format=self.file_format,
            max_size_bytes=parse_size(self.max_size) if self.max_size else None,
            max_bits=self.max_bits,
            kv=self.kv,
            sort=self.sort,
        )


def lookup_command(options: LookupOptions) -> int:
    """Print the best version that passed and fits, or with `everything` each of them."""
    if options.everything:
        versions = lookup_all(options.model, **options.wishes)
        _warn(versions[0].passed_over)
        if options.as_json:
            print_plain_json({"versions": versions})
        else:
            show_versions(versions)
        return 0
    version = lookup(options.model, **options.wishes)
    _warn(version.passed_over)
    if options.as_json:
        print_plain_json(version)
    else:
        show_version(version)
    return 0


def _warn(passed_over: tuple[PassedOver, ...]) -> None:
    for each in passed_over:
        print(f"quantgate: {each}", file=sys.stderr)
