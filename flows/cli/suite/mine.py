"""`quantgate suite mine`: items proposed from real traffic, as a draft suite."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.calibration.sources.traffic import read_traffic
from quantgate.flows.progress.board import open_board
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import tools_to_look, wire
from quantgate.pipelines.authoring.draft import write_draft
from quantgate.pipelines.authoring.margins import MarginsMeasure
from quantgate.pipelines.authoring.mine import MineRequest, MineTools, mine
from quantgate.pipelines.report.wording import plural


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


def mine_command(options: MineOptions) -> int:
    """Write a draft suite and say what is in it and what remains to be done."""
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
        tools = wire(settings)
        mined = mine(
            request,
            MineTools(
                store=settings.store,
                hub=settings.hub,
                read_traffic=read_traffic,
                margins=MarginsMeasure(
                    store=settings.store,
                    runtime=tools.runtimes["llamacpp"],
                    run_worker=tools.run_worker,
                    threads=settings.threads,
                ),
                checkpoint_tools=tools_to_look(settings),
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
        count = sum(item.slices[0] == ranking.slice for item in mined.chosen)
        print(f"{ranking.slice}: {plural(count, 'item')}, {ranking.description}")
    if len(mined.chosen) < options.take:
        print(f"{options.take} were asked for: the traffic has no more")
    print(f"{options.out}: {plural(len(mined.chosen), 'item')} without expectations")
    print(f"next: write them, then `quantgate suite check {options.out}`")
    return 0
