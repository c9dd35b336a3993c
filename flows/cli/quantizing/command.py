"""`quantgate quantize`: a build, planned and run."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from quantgate.flows.build.clearing.usage import in_use
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.plan_files import write_command
from quantgate.flows.build.planning.plans import plan_build
from quantgate.flows.build.planning.preparing import prepare
from quantgate.flows.build.repeating.finished import AskedCommand, ended_before
from quantgate.flows.build.results.build_result import BuildResult
from quantgate.flows.build.searching.ladder import SearchRequest, search_plan
from quantgate.flows.cli.quantizing.idle import refuse_idle_options
from quantgate.flows.cli.quantizing.noting import end_is_noted, seen_plan
from quantgate.flows.cli.quantizing.options import QuantizeOptions, command_line
from quantgate.flows.cli.quantizing.telling import tell_result
from quantgate.flows.cli.views.plan import show_plan
from quantgate.flows.cli.views.rendering import open_console
from quantgate.flows.orchestration.running import run_build
from quantgate.flows.orchestration.searching import run_search
from quantgate.flows.orchestration.server.api import server_ahead
from quantgate.flows.progress.board import Board, open_board
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.specs.builds import BuildOverrides, BuildSpec, load_build
from quantgate.pipelines.specs.corpora_axis import NO_CORPUS
from quantgate.pipelines.specs.foreign import foreign_places
from quantgate.pipelines.specs.kv_caches import parse_kv_caches
from quantgate.pipelines.specs.recipes import DEFAULT_RECIPES, SEARCHED_RECIPES, parse_recipes
from quantgate.pipelines.specs.waivers import parse_expansion, parse_waiver
from quantgate.registry import parse_size


def quantize_command(options: QuantizeOptions, command: AskedCommand) -> int:
    """Plan, and unless all is done already, run the flow; print the result and return its exit code."""
    settings = Settings.from_environment()
    console = open_console(to_stderr=options.as_json)
    with open_board() as board:
        result = built(
            options, settings, board, lambda plan: show_plan(plan, settings, console), command
        )
    return 0 if result is None else tell_result(result, as_json=options.as_json)


def _search_request(options: QuantizeOptions) -> SearchRequest | None:
    """Read what is searched for.

    Raises:
        InputError: for options that contradict each other, and a budget that is no size.
    """
    if options.search is None:
        if options.budget is not None:
            raise InputError(
                "is what a search may come to",
                where="--budget",
                next_step="add --search size, memory or speed",
            )
        return None
    if options.only is not None:
        raise InputError(
            "a search chooses units by itself", where="--only", next_step="leave one of the two out"
        )
    return SearchRequest(
        goal=options.search,
        budget_bytes=parse_size(options.budget) if options.budget else None,
    )


def built(
    options: QuantizeOptions,
    settings: Settings,
    board: Board,
    show: Callable[[BuildPlan], None],
    command: AskedCommand | None = None,
) -> BuildResult | None:
    """Plan and run a build or a search; where only a plan is asked for, `show` it and return None.

    How `command` ends is noted for who asks it again.

    Raises:
        QuantgateError: whatever planning or running refuses.
    """
    prepare(settings.store)
    search = _search_request(options)

    def make(
        say: Callable[[str], None], on_first_child: Callable[[], None] | None = None
    ) -> BuildPlan:
        return plan_build(_build_spec(options), settings, say, options.only, on_first_child)

    with ExitStack() as stack:
        use = stack.enter_context(in_use(settings.store))
        board.say(f"store {settings.store.root}")
        on_first_child = None
        if (
            command is not None
            and not options.plan_only
            and settings.shared
            is None  # where hosts share, every command plans, and often that is all
            and not ended_before(command, settings.store)
        ):
            on_first_child = stack.enter_context(
                server_ahead(settings.store.root, api_url=settings.prefect_api, on_news=board.say)
            )
        planned = None
        if command is not None and search is None and not options.plan_only:
            planned = seen_plan(lambda say: make(say, on_first_child), board.say, settings)
        plan = planned.plan if planned is not None else make(board.say, on_first_child)
        if search is not None:
            tools = wire(settings, plan.servers)
            plan = search_plan(LocalBuild(plan=plan, settings=settings, tools=tools), search)
        if options.plan_only:
            show(plan)
            return None
        write_command(plan.name, command_line(options), settings.store)
        if search is not None:
            return run_search(plan, settings, board)  # which has a second plan, not known yet
        use.runs(plan.name)
        if command is None or planned is None:
            return run_build(plan, settings, board)
        with end_is_noted(command, planned, make, settings):
            return run_build(plan, settings, board)


def _build_spec(options: QuantizeOptions) -> BuildSpec:
    overrides = BuildOverrides(
        name=options.name,
        model=options.model,
        suite=options.suite,
        corpora=_corpora(options.corpus),
        policy=options.policy,
        recipes=None if options.recipes is None else parse_recipes(options.recipes),
        kv_caches=None if options.kv is None else parse_kv_caches(options.kv),
        base_divergence_waiver=parse_waiver(
            options.waive, reason=options.reason, who=options.who, until=options.until
        ),
        foreign=foreign_places(options.foreign, Path.cwd()),
        expansion=parse_expansion(options.expand),
    )
    spec = load_build(
        options.build_file, overrides, SEARCHED_RECIPES if options.search else DEFAULT_RECIPES
    )
    refuse_idle_options(options, spec)
    return replace(
        spec,
        anyway=options.anyway,
        plan_only=options.plan_only,
        nearest=spec.nearest or options.nearest,
        offload=spec.offload or options.offload,
        speed=spec.speed or options.speed,
        queue=options.queue,
    )


def _corpora(text: str | None) -> tuple[Path | None, ...]:
    """Read `mine.yaml,web.yaml,none` as the command line writes it."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    return tuple(None if name == NO_CORPUS else Path(name) for name in names)
