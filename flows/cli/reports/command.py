"""`quantgate report`: a page of all builds of a store; one build's page drawn anew, its tables exported."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from quantgate.flows.build.outcome import write_report
from quantgate.flows.build.states.as_planned import build_as_planned
from quantgate.flows.cli.reports.builds import find_result
from quantgate.flows.cli.reports.list_view import builds_blocks
from quantgate.flows.cli.review import find_plan
from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.cli.views.rendering import show
from quantgate.flows.progress.board import open_board
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.records import to_json, write_text, write_together
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.report.page.store_page import BuildSummary, build_summary, write_store_page
from quantgate.pipelines.report.stored.result_file import (
    StoredResult,
    read_result,
    result_folders,
)
from quantgate.pipelines.report.tables.build_tables import build_tables
from quantgate.pipelines.report.tables.junit import junit_xml
from quantgate.pipelines.report.tables.markdown import build_markdown
from quantgate.pipelines.report.tables.table import DataTable
from quantgate.pipelines.report.tables.writing import csv_text, json_rows, parquet_bytes

DEFAULT_FOLDER = Path("tables")
TABLES_SCHEMA = "quantgate.report-tables/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """The command line of `quantgate report`."""

    build: str | None = None
    form: str | None = None
    to: Path | None = None
    as_json: bool = False


def report_command(options: ReportOptions) -> int:
    """List a store's builds on a page, draw a build's page anew, or export its tables.

    Raises:
        InputError: where there is no such build or no result, or an option asks for nothing.
    """
    settings = Settings.from_environment()
    if options.build is None:
        if options.form or options.to:
            raise InputError(
                "--as and --to are for the tables of one build",
                where="quantgate report",
                next_step="name a build: `quantgate report BUILD --as markdown`",
            )
        return _list(settings.store, as_json=options.as_json)
    if options.as_json:
        raise InputError(
            "--json is for the list of builds",
            where="quantgate report",
            next_step="`quantgate report BUILD --as json` prints the tables of one",
        )
    if options.form is None and options.to is not None:
        raise InputError(
            "--to is for tables, and --as says in which form",
            where="quantgate report",
            next_step="add e.g. --as csv; or leave --to out: a page has its place in the store",
        )
    if options.form is None:
        return _draw(options.build, settings)
    result = find_result(options.build, settings.store)
    if options.form in _TEXTS:
        return _print_text(_TEXTS[options.form](result), options.to)
    return _write_tables(build_tables(result), options.form, options.to or DEFAULT_FOLDER)


def _list(store: Store, *, as_json: bool) -> int:
    summaries = tuple(
        sorted(_summaries(store), key=lambda each: (each.created_at, each.build), reverse=True)
    )
    if as_json:
        print_json({"builds": [to_json(each) for each in summaries]})
        return 0
    page = store.root / "reports" / "index.html"
    write_store_page(summaries, page)
    show(builds_blocks(summaries, page))
    return 0


def _summaries(store: Store) -> list[BuildSummary]:
    """Builds whose result can be read; the others are named, and keep nobody from the rest."""
    summaries = []
    for folder in result_folders(store):
        try:
            summaries.append(build_summary(read_result(folder)))
        except InputError as error:
            print(f"left out: {error}", file=sys.stderr)
    return summaries


def _draw(name: str, settings: Settings) -> int:
    plan = find_plan(name, settings.store)
    with open_board() as board:
        tools = wire(settings, plan.servers)
        build = build_as_planned(plan, settings, tools, board.unit)
        result = write_report(build)
    print(result.page)
    return 0


def _json_text(result: StoredResult) -> str:
    tables = {table.name: json_rows(table) for table in build_tables(result)}
    return (
        json.dumps(
            {"schema": TABLES_SCHEMA, "build": result.build, **tables}, indent=1, ensure_ascii=False
        )
        + "\n"
    )


_TEXTS: Mapping[str, Callable[[StoredResult], str]] = MappingProxyType(
    {"json": _json_text, "markdown": build_markdown, "junit": junit_xml}
)


def _print_text(text: str, to: Path | None) -> int:
    if to is None:
        sys.stdout.write(text)
    else:
        write_text(to, text)
    return 0


def _write_tables(tables: tuple[DataTable, ...], form: str, folder: Path) -> int:
    contents = {
        folder / f"{table.name}.{form}": csv_text(table).encode()
        if form == "csv"
        else parquet_bytes(table)
        for table in tables
    }
    write_together(contents)
    for path in contents:
        print(path)
    return 0
