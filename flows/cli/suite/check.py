"""`quantgate suite check`: what is wrong with a suite, and what it can prove."""

import sys
from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.cli.views.findings import print_report_json
from quantgate.flows.cli.views.rendering import show
from quantgate.flows.cli.views.suite import suite_blocks
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import table_reader, tools_to_look
from quantgate.pipelines.authoring.check import check_suite
from quantgate.pipelines.authoring.fit import view_model
from quantgate.pipelines.authoring.lm_eval import suite_folder
from quantgate.pipelines.authoring.versions import bump
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.suites.load import load_suite


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteCheckOptions:
    """The command line of `quantgate suite check`."""

    folder: Path
    model: str | None = None
    policy: Path | None = None
    as_json: bool = False
    bump: bool = False


def check_command(options: SuiteCheckOptions) -> int:
    """Print what is wrong with a suite and what it can prove; 0 fine, 2 problems."""
    settings = Settings.from_environment()
    folder = suite_folder(options.folder, settings.store, run_worker)
    if options.bump:
        _bump(folder, settings)
    report = check_suite(
        folder,
        policy_file=options.policy,
        model=view_model(options.model, settings.store, settings.hub, tools_to_look(settings))
        if options.model
        else None,
        read_table=table_reader(settings),
        store=settings.store,
    )
    if options.as_json:
        print_report_json(report)
    else:
        show(suite_blocks(report))
    return report.exit_code


def _bump(folder: Path, settings: Settings) -> None:
    """Raise the version of an edited suite, and say so."""
    version = bump(load_suite(folder, table_reader(settings)), settings.store)
    change = (
        f"version raised to {version}" if version else "is what was judged, or was never judged"
    )
    print(f"{folder}: {change}", file=sys.stderr)
