"""What the commands do, behind the command line."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.flows.build.preparing import prepare
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.specs.builds import BuildOverrides, BuildSpec, load_build
from quantgate.pipelines.specs.corpora_axis import NO_CORPUS


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeOptions:
    """The command line of `quantgate quantize`, as click hands it over."""

    model: str | None = None
    build_file: Path | None = None
    suite: Path | None = None
    corpus: str | None = None
    recipes: str | None = None
    kv: str | None = None
    policy: Path | None = None
    plan_only: bool = False
    only: str | None = None
    anyway: bool = False
    as_json: bool = False
    waive: str | None = None
    reason: str | None = None
    who: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupOptions:
    """The command line of `quantgate lookup`."""

    model: str
    suite: str | None = None
    runtime: str | None = None
    file_format: str | None = None
    max_size: str | None = None
    as_json: bool = False


def quantize_command(options: QuantizeOptions) -> int:
    """Plan, and unless all is done already, run the flow; print the result and return its exit code."""
    from quantgate.flows.build.plan import make_plan, servers_in_use
    from quantgate.flows.cli.views.console import open_console, show_plan, show_result
    from quantgate.flows.orchestration.running import execute
    from quantgate.flows.progress.board import open_board
    from quantgate.flows.wiring import equipment

    settings = Settings.from_environment()
    prepare(settings.store)
    spec = _build_spec(options)
    console = open_console(to_stderr=options.as_json)
    with open_board() as board:
        board.say(f"store {settings.store.root}")
        if options.plan_only:
            tools = equipment(settings, servers_in_use(spec, settings.server_versions))
            plan = make_plan(spec, settings, tools, board.say, options.only)
            show_plan(plan, settings, console)
            return 0
        result = execute(spec, settings, board, options.only)
    if options.as_json:
        _print_json(result.details)
    else:
        show_result(result, console)
    return result.exit_code


def lookup_command(options: LookupOptions) -> int:
    """Print the smallest passing version."""
    from quantgate.flows.cli.views.console import open_console, show_found
    from quantgate.pipelines.files.records import to_json
    from quantgate.registry import lookup, parse_size

    found = lookup(
        options.model,
        suite=options.suite,
        runtime=options.runtime,
        format=options.file_format,
        max_size_bytes=parse_size(options.max_size) if options.max_size else None,
    )
    if options.as_json:
        _print_json(to_json(found))
    else:
        show_found(found, open_console())
    return 0


def lineage_command(reference: str, *, as_json: bool) -> int:
    """Print a version's lineage; the first line names its calibration corpus."""
    from quantgate.pipelines.files.records import to_json
    from quantgate.registry import lineage

    found = lineage(reference)
    if as_json:
        _print_json(to_json(found))
    else:
        print(found.describe())
    return 0


def up_command() -> int:
    """Start the project's Prefect server and let it stay."""
    from quantgate.flows.orchestration.server import up

    store = Settings.from_environment().store
    prepare(store)
    status = up(store.root, _say)
    print(f"Prefect is up: open {status.pages} in a browser (its API is {status.url})")
    return 0


def down_command() -> int:
    """Stop the project's Prefect server."""
    from quantgate.flows.orchestration.server import down

    status = down(Settings.from_environment().store.root, _say)
    clients = f"; {status.clients} running builds keep it until they end" if status.url else ""
    print(f"Prefect is {'asked to stop' if status.url else 'stopped'}{clients}")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _build_spec(options: QuantizeOptions) -> BuildSpec:
    from quantgate.pipelines.specs.kv_caches import parse_kv_caches
    from quantgate.pipelines.specs.recipes import DEFAULT_RECIPES, parse_recipes
    from quantgate.pipelines.specs.waivers import parse_waiver

    overrides = BuildOverrides(
        model=options.model,
        suite=options.suite,
        corpora=_corpora(options.corpus),
        policy=options.policy,
        recipes=parse_recipes(options.recipes) if options.recipes else None,
        kv_caches=parse_kv_caches(options.kv) if options.kv else None,
        base_divergence_waiver=parse_waiver(
            options.waive, reason=options.reason, who=options.who, until=options.until
        ),
    )
    spec = load_build(options.build_file, overrides, DEFAULT_RECIPES)
    return replace(spec, anyway=options.anyway)


def _corpora(text: str | None) -> tuple[Path | None, ...]:
    """Read `mine.yaml,web.yaml,none` as the command line writes it."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    return tuple(None if name == NO_CORPUS else Path(name) for name in names)


def _print_json(value: JsonValue) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))
