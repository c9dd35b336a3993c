"""`quantgate review`: a person decides about changed answers, and the suite remembers."""

import getpass
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from quantgate.flows.build.errors import read_errors
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.plan_files import PLAN, plan_files, read_plan
from quantgate.flows.build.references import references_finished
from quantgate.flows.build.states.as_planned import build_as_planned
from quantgate.flows.build.units import answered
from quantgate.flows.build.verdicts import evidence
from quantgate.flows.cli.options import refuse_idle
from quantgate.flows.cli.review_terminal import ask
from quantgate.flows.progress.board import open_board
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import table_reader, wire
from quantgate.pipelines.domain.errors import InputError, InterruptionError, QuantgateError
from quantgate.pipelines.domain.suites.adjudication import Adjudication
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.verdict import Verdict
from quantgate.pipelines.files.reading import holds_file
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.report.label_sheet import label_sheet, sheet_lines
from quantgate.pipelines.report.review_page import write_review_page
from quantgate.pipelines.report.review_queue import ReviewEntry, review_queue
from quantgate.pipelines.report.wording import plural
from quantgate.pipelines.specs.loading import did_you_mean
from quantgate.pipelines.suites.adjudications import (
    ADJUDICATIONS_FILE,
    append_adjudications,
    load_adjudications,
)
from quantgate.pipelines.suites.load import load_suite

_SHEET_ITEMS = 60
"""Of a variant, where nobody says how many."""
_BUILD = "run the build again, then review it"
_AGAIN = "run the same build again: answers are kept, only verdicts are made anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewOptions:
    """The command line of `quantgate review`."""

    build: str
    html: Path | None = None
    import_file: Path | None = None
    labels: Path | None = None
    take: int | None = None
    who: str | None = None
    everything: bool = False


@dataclass(frozen=True, kw_only=True)
class OpenedBuild:
    """A build opened for review: where its suite keeps decisions, and what awaits one."""

    plan: BuildPlan
    suite: Suite
    file: Path
    verdicts: tuple[Verdict, ...]

    @cached_property
    def queue(self) -> tuple[ReviewEntry, ...]:
        """What awaits a decision. Verdicts are the build's; what was decided since stands beside them."""
        return review_queue(self.suite, self.verdicts)


def review_command(options: ReviewOptions) -> int:
    """Import decisions, write the form, or ask in the terminal; returns the exit code.

    Raises:
        InputError: where more than one of these is asked for, or the build cannot be reviewed.
    """
    ways = {
        "--html": options.html,
        "--import": options.import_file,
        "--labels": options.labels,
    }
    asked = [name for name, file in ways.items() if file is not None]
    if len(asked) > 1:
        raise InputError(
            f"{' and '.join(asked)} are ways of their own",
            where="quantgate review",
            next_step="ask for one of them at a time",
        )
    _refuse_idle(options, asked)
    settings = Settings.from_environment()
    plan = find_plan(options.build, settings.store)
    if options.import_file is not None:
        return _import(plan, options.import_file)
    opened = open_review(plan, settings)
    if options.labels is not None:
        return _write_sheet(opened, options.labels, options.take or _SHEET_ITEMS)
    waiting = tuple(entry for entry in opened.queue if options.everything or entry.decided is None)
    if options.html is not None:
        write_review_page(plan.name, plan.suite, opened.queue, options.html)
        print(f"{plural(len(opened.queue), 'answer')}, {len(waiting)} undecided: {options.html}")
        return 0
    if not waiting:
        print("nothing awaits a decision")
        return 0
    if not sys.stdin.isatty():
        raise InputError(
            f"{len(waiting)} answers await a decision, and this is no terminal to ask in",
            where=plan.name,
            next_step="use --html FILE and --import FILE, or run it in a terminal",
        )
    return _ask(opened.file, waiting, options.who or getpass.getuser())


def _refuse_idle(options: ReviewOptions, asked: Sequence[str]) -> None:
    if options.labels is None:
        refuse_idle(
            "review",
            {"--take": options.take},
            because="it says how many items a variant --labels writes",
            next_step="add --labels FILE, or leave it out",
        )
    if asked:
        refuse_idle(
            "review",
            {"--who": options.who, "--all": options.everything},
            because=f"that is of questions in the terminal, and {asked[0]} asks none",
            next_step="leave it out: a form holds every answer, and who decided about it",
        )


def find_plan(build: str, store: Store) -> BuildPlan:
    """Return a build's plan by its name, any unambiguous beginning of it, or its report folder.

    Raises:
        InputError: where none or several have that name.
    """
    folder = store.root / "plans"
    builds = [path.parent.name for path in plan_files(store)]
    name = Path(build).name
    matches = [name] if name in builds else [each for each in builds if each.startswith(name)]
    if len(matches) == 1:
        return read_plan(folder / matches[0] / PLAN)
    if matches:
        listed = ", ".join(matches)
        raise InputError(
            f"several builds begin with '{name}': {listed}",
            where=str(folder),
            next_step="give more of its name",
        )
    near = did_you_mean(name, builds)
    raise InputError(
        f"no build is called '{name}'{near}",
        where=str(store.root),
        next_step="`quantgate quantize` prints a build's name; QUANTGATE_STORE says where to look",
    )


def open_review(plan: BuildPlan, settings: Settings) -> OpenedBuild:
    """Judge what is sealed of a build, with the decisions that the suite holds by now.

    Raises:
        InputError: where the suite asks something else by now, or no variant has been asked.
    """
    file = plan.suite.folder / ADJUDICATIONS_FILE
    _refuse_imported(plan, settings)
    current = load_suite(plan.suite.folder, table_reader(settings))
    if current.digest != plan.suite.digest:
        raise InputError(
            "the suite is not the one that this build was judged on",
            where=str(plan.suite.folder),
            next_step="run the build again, and review that one",
        )
    with open_board() as board:
        tools = wire(settings, plan.servers)
        build = build_as_planned(plan, settings, tools, board.unit)
        verdicts = _verdicts(build)
    return OpenedBuild(plan=plan, suite=current, file=file, verdicts=tuple(verdicts))


def _refuse_imported(plan: BuildPlan, settings: Settings) -> None:
    """Decisions belong beside the items that a team commits, not into the store.

    Raises:
        InputError: where the suite was imported for this build and nobody keeps it.
    """
    folder = plan.suite.folder.resolve()
    if folder.is_relative_to((settings.store.root / "suites").resolve()):
        raise InputError(
            f"suite {plan.suite.name} was imported for this build and is kept nowhere else",
            where=str(folder),
            next_step="`quantgate suite import lm-eval:TASK --out DIR`, and build with that folder",
        )


def _verdicts(build: LocalBuild) -> list[Verdict]:
    """Judge every variant that has been answered; the others are said, not waited for."""
    failed = {error.identifier for error in read_errors(build.plan, build.settings)}
    verdicts = []
    for planned in build.plan.variants:
        if planned.identifier in failed or not planned.built(build.settings.store):
            continue
        finished = references_finished(build, planned.recipe.runtime)
        if not finished or not answered(build, planned):
            print(
                f"left out: {planned.identifier} has no answers, or those of other code",
                file=sys.stderr,
            )
            continue
        try:
            verdicts.append(evidence(build, planned).verdict)
        except InterruptionError:
            raise
        except QuantgateError as error:
            print(f"left out: {error}", file=sys.stderr)
    if not verdicts:
        raise InputError(
            "no variant of this build has been judged", where=build.plan.name, next_step=_BUILD
        )
    return verdicts


def _write_sheet(opened: OpenedBuild, file: Path, take: int) -> int:
    rows = label_sheet(opened.suite, opened.verdicts, take)
    if not rows:
        raise InputError(
            "no answer of this build was graded by a judge model",
            where=opened.plan.name,
            next_step="leave --labels out: there is nothing to label",
        )
    if file.exists():
        raise InputError(
            "there is a file of this name already, perhaps with labels in it",
            where=str(file),
            next_step="name another file; labels that the suite knows stand in it from the start",
        )
    write_text(file, "".join(f"{line}\n" for line in sheet_lines(rows)))
    missing = sum(row.label is None for row in rows)
    print(f"{file}: {plural(len(rows), 'answer')}, {missing} without a label")
    print(
        'next: write "right" or "wrong" as each label, and name the file as the judge\'s `anchor`'
    )
    return 0


def _import(plan: BuildPlan, file: Path) -> int:
    if not holds_file(file):
        raise InputError(
            "there is no such file",
            where=str(file),
            next_step="check how it is spelled; the form of `--html` saves one",
        )
    decisions = load_adjudications(file)
    ids = {item.id for item in plan.suite.items}
    strangers = [each.item_id for each in decisions if each.item_id not in ids]
    if strangers:
        raise InputError(
            f"decides about items that suite {plan.suite.name} does not have, "
            f"the first is '{strangers[0]}'",
            where=str(file),
            next_step="take the file that was saved for this build",
        )
    target = plan.suite.folder / ADJUDICATIONS_FILE
    added = append_adjudications(target, decisions)
    print(f"{added} new decisions in {target} ({len(decisions) - added} stood there already)")
    if added:
        print(f"next: {_AGAIN}")
    return 0


def _ask(file: Path, waiting: Sequence[ReviewEntry], who: str) -> int:
    count = 0
    for number, entry in enumerate(waiting, start=1):
        choice = ask(entry, number=number, total=len(waiting))
        if choice is None:
            break
        if choice.mark is None:
            continue
        decision = Adjudication(
            item_id=entry.item.id,
            item_sha256=entry.item_sha256,
            answer_sha256=entry.answer_sha256,
            mark=choice.mark,
            decided_by=who,
            decided_on=datetime.now(UTC).astimezone().date().isoformat(),
            note=choice.note,
        )
        count += append_adjudications(file, [decision])  # one at a time: an interruption loses none
    print(f"{plural(count, 'decision')} added to {file}")
    if count:
        print(f"next: {_AGAIN}")
    return 0
