"""`quantgate demo`: a verdict, a page and a look-up in seconds, without weights, compiler or network."""

import json
import sqlite3
import textwrap
from contextlib import closing
from pathlib import Path

from quantgate.flows.build.results.build_result import PAGE, BuildResult
from quantgate.flows.cli.demo.contents import STORE, DemoBuild, read_demo
from quantgate.flows.cli.demo.judging import judged_report
from quantgate.flows.cli.transcripts import Transcript, exported_lines
from quantgate.flows.cli.views.rendering import open_console
from quantgate.flows.cli.views.result import show_result
from quantgate.flows.cli.views.version import show_version
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.evaluation.runs import RunRecord
from quantgate.pipelines.files.disk.full import written_at
from quantgate.pipelines.files.reading import at_home
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.report.build_report import BuildReport
from quantgate.pipelines.report.page.rendering import write_page
from quantgate.pipelines.report.result import result_json
from quantgate.pipelines.report.stored.result_file import RESULT
from quantgate.pipelines.report.summary import base_rows, reference_rows, variant_rows
from quantgate.registry import Tracking, lookup

_REGISTRY = "mlflow.db"
_WIDEST = 100


def demo_command(folder: Path) -> int:
    """Judge the packed build, write its page and its registry into `folder`, and look its champion up.

    Raises:
        InputError: the folder holds something else.
    """
    demo = read_demo()
    runs = [run for each in demo.references.values() for run in each]
    runs += [variant.run for variant in demo.variants]
    intro = (
        f"{demo.checkpoint.name}, a small model that turns messages of customers into tool calls: "
        f"{len(demo.variants)} variants of it were built and asked {len(demo.suite.items)} items. Their "
        f"answers and the base's, {sum(len(run.answers) for run in runs):,} in all, are judged now."
    )
    console = open_console()
    print(textwrap.fill(intro, min(console.width, _WIDEST)), end="\n\n")
    store = Store(root=at_home(folder).absolute())
    report, result = write_demo_folder(demo, store)
    show_result(result, console)
    _look_up(report, store, folder)
    return 0


def write_demo_folder(demo: DemoBuild, store: Store) -> tuple[BuildReport, BuildResult]:
    """Judge a packed build, and write its page, its registry and its transcripts into a folder.

    Raises:
        InputError: the folder holds something else.
        OSError: the disk is full; the next demo takes the folder up again.
    """
    _refuse_strangers(store.root)
    report = judged_report(demo)
    write_text(store.root / _MARK, "quantgate demo wrote this folder; it may go.\n")
    page = store.report(report.build) / PAGE
    write_page(report, page)
    text = json.dumps(result_json(report), indent=1, ensure_ascii=False)
    write_text(page.parent / RESULT, text + "\n")
    _write_registry(demo, store)
    _write_transcripts(demo, store)
    return report, _result(report, page)


def _look_up(report: BuildReport, store: Store, folder: Path) -> None:
    model, suite = report.checkpoint.name, report.suite.name
    print(f"\n$ quantgate lookup {model} --suite {suite} --store {folder}")
    tracking = Tracking.resolve(store, environment={})
    show_version(lookup(model, suite=suite, tracking_uri=tracking.uri))
    print(
        "\nnext: open the page; then ask your own questions:\n"
        "  quantgate init my-task --from questions.csv --model ORG/NAME"
    )


def _refuse_strangers(folder: Path) -> None:
    """A folder that an earlier demo wrote is written anew; nothing else is touched."""
    empty = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not empty and not (folder / _MARK).is_file():
        raise InputError(
            "holds something else than a demo",
            where=str(folder),
            next_step="name another folder (--to DIR)",
        )


_MARK = "demo.txt"


def _write_registry(demo: DemoBuild, store: Store) -> None:
    """Write the registry that the build filled, with its paths in this folder."""
    path, root = store.root / _REGISTRY, str(store.root).replace("'", "''")
    path.unlink(missing_ok=True)
    with written_at(path), closing(sqlite3.connect(path)) as database:
        database.executescript(demo.registry.replace(str(STORE), root))


def _write_transcripts(demo: DemoBuild, store: Store) -> None:
    """Write the runs as `quantgate judge` reads them."""
    named = {
        f"base-{runtime}-{number}": run
        for runtime, runs in demo.references.items()
        for number, run in enumerate(runs, start=1)
    }
    named |= {each.recipe.name: each.run for each in demo.variants}
    for name, run in named.items():
        path = store.root / "transcripts" / f"{name}.jsonl"
        record = RunRecord(plan=run.plan, seconds=run.seconds)
        lines = exported_lines(Transcript(record=record, answers=run.answers, source=path))
        write_text(path, "".join(f"{line}\n" for line in lines))


def _result(report: BuildReport, page: Path) -> BuildResult:
    return BuildResult(
        name=report.build,
        page=page,
        rows=variant_rows(report),
        errors=(),
        receipts=(),
        details=result_json(report),
        references=reference_rows(report),
        bases=base_rows(report),
    )
