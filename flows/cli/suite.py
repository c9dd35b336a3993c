"""What `quantgate suite check`, `import` and `mine` do, behind the command line."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quantgate.pipelines.report.wording import plural

if TYPE_CHECKING:
    from quantgate.flows.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """The command line of `quantgate suite check`."""

    folder: Path
    model: str | None = None
    policy: Path | None = None
    as_json: bool = False
    bump: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MineOptions:
    """The command line of `quantgate suite mine`."""

    traffic: Path
    model: str
    take: int
    out: Path
    look_at: int
    max_tokens: int
    seed: int


def check_command(options: CheckOptions) -> int:
    """Print what is wrong with a suite and what it can prove; 0 fine, 2 problems."""
    from quantgate.flows.cli.views.suite import as_json, plain_lines, show
    from quantgate.flows.settings import Settings
    from quantgate.flows.wiring import table_reader
    from quantgate.pipelines.authoring.check import check_suite
    from quantgate.pipelines.authoring.fit import view_model
    from quantgate.pipelines.authoring.lm_eval import suite_folder
    from quantgate.pipelines.process.runner import run_worker

    settings = Settings.from_environment()
    folder = suite_folder(options.folder, settings.store, run_worker)
    if options.bump:
        _bump(folder, settings)
    report = check_suite(
        folder,
        policy_file=options.policy,
        model=view_model(options.model, settings.store, settings.hub) if options.model else None,
        read_table=table_reader(settings),
        store=settings.store,
    )
    if options.as_json:
        print(as_json(report))
    elif sys.stdout.isatty():
        from rich.console import Console

        show(report, Console())
    else:
        print("\n".join(plain_lines(report)))
    return report.exit_code


def _bump(folder: Path, settings: "Settings") -> None:
    """Raise the version of an edited suite, and say so."""
    from quantgate.flows.wiring import table_reader
    from quantgate.pipelines.authoring.versions import bump
    from quantgate.pipelines.suites.load import load_suite

    version = bump(load_suite(folder, table_reader(settings)), settings.store)
    told = f"version raised to {version}" if version else "is what was judged, or was never judged"
    print(f"{folder}: {told}", file=sys.stderr)


def import_command(task: str, out: Path) -> int:
    """Import a task of lm-evaluation-harness as a suite folder; prints what to do next."""
    from quantgate.flows.settings import Settings
    from quantgate.pipelines.authoring.lm_eval import PREFIX, copy_suite, suite_folder
    from quantgate.pipelines.domain.errors import InputError
    from quantgate.pipelines.process.runner import run_worker

    if not task.startswith(PREFIX):
        raise InputError(f"'{task}' is not {PREFIX}TASK", next_step=f"e.g. {PREFIX}gsm8k")
    copy_suite(suite_folder(Path(task), Settings.from_environment().store, run_worker), out)
    print(f"{out}: imported {task}")
    print(f"next: `quantgate suite check {out}`")
    return 0


def mine_command(options: MineOptions) -> int:
    """Write a draft suite and say what is in it and what remains to be done."""
    from quantgate.calibration.sources.traffic import read_traffic
    from quantgate.flows.progress.board import open_board
    from quantgate.flows.settings import Settings
    from quantgate.flows.wiring import equipment
    from quantgate.pipelines.authoring.draft import write_draft
    from quantgate.pipelines.authoring.mine import MineRequest, MineTools, mine

    settings = Settings.from_environment()
    request = MineRequest(
        traffic=options.traffic,
        model=options.model,
        take=options.take,
        look_at=options.look_at,
        max_tokens=options.max_tokens,
        seed=options.seed,
    )
    with open_board() as board, board.unit("mine", str(options.traffic)) as progress:
        tools = equipment(settings)
        mined = mine(
            request,
            MineTools(
                store=settings.store,
                hub=settings.hub,
                threads=settings.threads,
                runtime=tools.runtimes["llamacpp"],
                run_worker=tools.run_worker,
                read_traffic=read_traffic,
            ),
            progress,
        )
    write_draft(mined, options.out)
    traffic = mined.traffic
    print(
        f"{traffic.rows} rows: {len(traffic.candidates)} candidates ({traffic.repeated} repeated, "
        f"{traffic.unasked} that ask nothing, {traffic.too_long} too long); "
        f"{len(mined.margins)} answered by {mined.model}"
    )
    for ranking in mined.rankings:
        count = sum(one.slices[0] == ranking.slice for one in mined.chosen)
        print(f"{ranking.slice}: {plural(count, 'item')}, {ranking.description}")
    print(f"{options.out}: {plural(len(mined.chosen), 'item')} without expectations")
    print(f"next: write them, then `quantgate suite check {options.out}`")
    return 0
