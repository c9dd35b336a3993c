"""All that can be said of a suite before a model is asked: problems with their lines, what it can prove."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quantgate.pipelines.authoring.duplicates import duplicates
from quantgate.pipelines.authoring.fit import Fit, ModelView, fit, measured_lengths, overlong
from quantgate.pipelines.authoring.idle import idle_keys
from quantgate.pipelines.authoring.proofs import WHOLE, SliceProof, proofs
from quantgate.pipelines.authoring.tails import Tail, tails
from quantgate.pipelines.authoring.versions import edited, next_version
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.evaluation.graders.table import grader_for
from quantgate.pipelines.evaluation.loops.checks import loop_problems
from quantgate.pipelines.evaluation.sampling import id_problem
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.table_source import ReadTable
from quantgate.pipelines.specs.policies import load_policy
from quantgate.pipelines.suites.items import read_items
from quantgate.pipelines.suites.load import SUITE_FILE, ExaminedSuite, examine_suite
from quantgate.pipelines.suites.long_context import beyond_context
from quantgate.pipelines.suites.sources import ITEMS_FILE, ItemsFile

Severity = Literal["problem", "note"]
_FOUND_PROBLEMS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteFinding:
    """One thing to be told: a problem has to be put right, a note is worth a look."""

    severity: Severity
    where: str
    text: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteReport:
    """What was found. `name` is `name@version`, or the folder where the suite cannot be read."""

    name: str
    items: int
    findings: tuple[SuiteFinding, ...]
    slices: tuple[SliceProof, ...]
    tails: tuple[Tail, ...]

    @property
    def problems(self) -> tuple[SuiteFinding, ...]:
        """What has to be put right."""
        return tuple(finding for finding in self.findings if finding.severity == "problem")

    @property
    def exit_code(self) -> int:
        """0 fine, 2 problems."""
        return _FOUND_PROBLEMS if self.problems else 0


def check_suite(
    folder: Path,
    *,
    policy_file: Path | None,
    model: ModelView | None,
    read_table: ReadTable | None,
    store: Store | None = None,
) -> SuiteReport:
    """Look at a suite folder; what is wrong is in the report, not raised.

    `store` knows with which content versions were judged; None: that is not asked.

    Raises:
        ToolchainError, ServiceError, WorkerError: where items stand in a table that cannot be read.
    """
    try:
        examined = examine_suite(folder, read_table)
    except InputError as error:
        return _unreadable(folder, error)
    findings = [
        SuiteFinding(severity="problem", where=problem.where, line=problem.line, text=problem.text)
        for problem in examined.problems
    ]
    suite = examined.suite
    if suite is None:
        name = f"{examined.spec.name}@{examined.spec.version}"
        return SuiteReport(name=name, items=0, findings=tuple(findings), slices=(), tails=())
    policy, refusal = _policy(policy_file, suite)
    model_fit = fit(suite, model) if model else Fit(prompt_tokens={}, refusals={})
    findings += [
        *refusal,
        *(_edited(suite, store) if store else ()),
        *_unusable(examined, suite),
        *(
            SuiteFinding(severity="note", where=str(folder / SUITE_FILE), text=text)
            for text in idle_keys(examined.spec, suite)
        ),
        *_alike(examined, suite),
        *(_misfits(examined, suite, model_fit, model) if model else ()),
    ]
    proved = proofs(suite, policy)
    context = model.context_length_tokens if model else None
    return SuiteReport(
        name=f"{suite.name}@{suite.version}",
        items=len(suite.items),
        findings=(*findings, *_too_small(proved, policy, folder)),
        slices=proved,
        tails=tails(suite, model_fit.prompt_tokens, context),
    )


def _unreadable(folder: Path, error: InputError) -> SuiteReport:
    """The suite file cannot be used; its items are looked at all the same, where they have the usual name."""
    first, *others = error.what.split("\n  ")
    texts = others or [f"{first}; {error.next_step}" if error.next_step else first]
    findings = [_of_a_sentence(error.where or str(folder), text) for text in texts]
    items = folder / ITEMS_FILE
    if items.is_file() and error.where != str(items):
        _, problems = read_items(ItemsFile(path=ITEMS_FILE), folder, None)
        findings += [
            SuiteFinding(
                severity="problem", where=problem.where, line=problem.line, text=problem.text
            )
            for problem in problems
        ]
    return SuiteReport(name=str(folder), items=0, findings=tuple(findings), slices=(), tails=())


def _of_a_sentence(where: str, sentence: str) -> SuiteFinding:
    """A sentence may begin with its line."""
    head, colon, rest = sentence.partition(": ")
    number = head.removeprefix("line ")
    if colon and number != head and number.isdigit():
        return SuiteFinding(severity="problem", where=where, line=int(number), text=rest)
    return SuiteFinding(severity="problem", where=where, text=sentence)


def _policy(path: Path | None, suite: Suite) -> tuple[Policy, list[SuiteFinding]]:
    try:
        return load_policy(path, suite), []
    except InputError as error:
        lines = error.what.split("\n  ")
        sentences = lines[1:] if lines[0].endswith(":") else lines
        return Policy(), [_of_a_sentence(error.where or str(path), text) for text in sentences]


def _edited(suite: Suite, store: Store) -> Iterator[SuiteFinding]:
    if text := edited(suite, store):
        advice = f"raise the version to {next_version(suite, store)}, or say --bump"
        where = str(suite.folder / SUITE_FILE)
        yield SuiteFinding(severity="problem", where=where, text=f"{text}; {advice}")


def _unusable(examined: ExaminedSuite, suite: Suite) -> Iterator[SuiteFinding]:
    """Expectations that no answer could ever meet, told where they stand; drafts are told already."""
    for item in suite.items:
        if item.id not in examined.lines or item.id in examined.drafts:
            continue
        if clash := id_problem(suite, item):
            yield _at(examined, item.id, f"item '{item.id}': {clash}")
        if item.loop is not None:
            for text in loop_problems(suite, item):
                yield _at(examined, item.id, f"item '{item.id}': {text}")
            continue
        spec = suite.grader_of(item)
        if problem := grader_for(spec).problem(item):
            yield _at(
                examined, item.id, f"item '{item.id}': {spec.kind} cannot use `expected`: {problem}"
            )


def _alike(examined: ExaminedSuite, suite: Suite) -> Iterator[SuiteFinding]:
    written = [item for item in suite.items if item.id in examined.lines]
    for pair in duplicates(written):
        earlier = f"'{pair.earlier_id}' in line {examined.lines[pair.earlier_id]}"
        if pair.item_id == pair.earlier_id:
            continue
        if pair.likeness == 1:
            text = f"item '{pair.item_id}' asks the same as {earlier}: take one out, or give both a group"
            yield _at(examined, pair.item_id, text)
        else:
            text = f"item '{pair.item_id}' is nearly {earlier} ({pair.likeness:.0%} of its words in order)"
            yield _at(examined, pair.item_id, text, severity="note")


def _misfits(
    examined: ExaminedSuite, suite: Suite, model_fit: Fit, model: ModelView
) -> Iterator[SuiteFinding]:
    for note in model.chat.notes:
        yield SuiteFinding(severity="note", where=model.source, text=note)
    for item_id, text in model_fit.refusals.items():
        yield _at(examined, item_id, f"item '{item_id}': {text}")
    long = examined.spec.long_context
    beyond = beyond_context(long.lengths, model.context_length_tokens) if long else None
    if beyond:
        yield SuiteFinding(severity="problem", where=str(suite.folder / SUITE_FILE), text=beyond)
    for item, text in overlong(suite, model_fit, model):
        if item.id in examined.lines or not beyond:
            yield _at(examined, item.id, f"item '{item.id}': {text}")
    for text in measured_lengths(suite, long, model_fit) if long else ():
        yield SuiteFinding(severity="note", where=str(suite.folder / SUITE_FILE), text=text)


def _too_small(
    proved: Sequence[SliceProof], policy: Policy, folder: Path
) -> Iterator[SuiteFinding]:
    """Too few items are a problem where a variant could not pass for want of them."""
    for proof in proved:
        if proof.can_pass:
            continue
        blocks = proof.name == WHOLE or policy.require_all_slices
        yield SuiteFinding(
            severity="problem" if blocks else "note",
            where=str(folder / SUITE_FILE),
            text=proof.text,
        )


def _at(
    examined: ExaminedSuite, item_id: str, text: str, severity: Severity = "problem"
) -> SuiteFinding:
    line = examined.lines.get(item_id)
    return SuiteFinding(severity=severity, where=examined.items_at, line=line, text=text)
