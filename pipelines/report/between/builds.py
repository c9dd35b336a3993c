"""Two builds beside each other: what differs between them, and item by item what their answers became.

Which items a build's variants got right follows from its result: what the base got wrong, and what each
variant broke or fixed. Only items that are the same in both builds are held against each other.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.domain.values import Digest, JsonObject, text_or_json
from quantgate.pipelines.domain.verdicts.decision import Interval
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import PairOutcome
from quantgate.pipelines.evaluation.adjudications import item_digest
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.paired.exact import mcnemar_p
from quantgate.pipelines.paired.interval import paired_difference_interval
from quantgate.pipelines.report.stored.result_file import (
    StoredReference,
    StoredResult,
    StoredVariant,
)

BASE = "base"
_CONFIDENCE = 0.95

ReadAnswers = Callable[[str, Digest], Mapping[str, str] | None]
"""Takes a run's subject and key; returns what it said, by item, or None where its transcript is not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedBuild:
    """A build to compare: its result, the suite that its plan holds, and where its answers are read."""

    result: StoredResult
    suite: Suite
    answers: ReadAnswers


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildDifference:
    """Something in which two builds differ, in words."""

    what: str
    first: str
    second: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlikeItem:
    """An item that one build's run gets right and the other's does not; unknown answers are None."""

    item_id: str
    slices: tuple[str, ...]
    first_is_right: bool
    first_answer: str | None
    second_answer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsCompared:
    """The base, or one variant, in both builds on the `items` that both were asked.

    `delta` is the second's accuracy minus the first's, with its 95 % interval (Tango); `mcnemar_p` is exact.
    Decisions are "" for the base.
    """

    name: str
    first_decision: str
    second_decision: str
    items: int
    unlike: tuple[UnlikeItem, ...]
    delta: float
    delta_interval: Interval
    mcnemar_p: float

    @property
    def only_first(self) -> int:
        """How many items only the first gets right."""
        return sum(item.first_is_right for item in self.unlike)

    @property
    def only_second(self) -> int:
        """How many items only the second gets right."""
        return len(self.unlike) - self.only_first


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildsCompared:
    """Two builds. `unlike_items` counts items that one of the suites lacks, or words in another way.

    `only_first` and `only_second` name variants that the other build does not have.
    """

    first: str
    second: str
    differences: tuple[BuildDifference, ...]
    same_items: int
    unlike_items: int
    runs: tuple[RunsCompared, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    """A run: which items it got right, by id, and whose answers they are."""

    right: Mapping[str, bool]
    subject: str
    key: Digest | None
    said: Mapping[str, str]


def compare_builds(first: ComparedBuild, second: ComparedBuild) -> BuildsCompared:
    """Compare two builds: of one model or two, on one suite or two versions of it."""
    items = _same_items(first.suite, second.suite)
    names = [_by_name(build.result) for build in (first, second)]
    return BuildsCompared(
        first=first.result.build,
        second=second.result.build,
        differences=tuple(_differences(first.result, second.result)),
        same_items=len(items),
        unlike_items=len(
            {i.id for s in (first.suite, second.suite) for i in s.items} - items.keys()
        ),
        runs=tuple(_runs(first, second, items)),
        only_first=tuple(name for name in names[0] if name not in names[1]),
        only_second=tuple(name for name in names[1] if name not in names[0]),
    )


def _same_items(first: Suite, second: Suite) -> dict[str, Item]:
    """The items that both suites ask in the same words and expect the same of, by id."""
    others = {item.id: item_digest(item) for item in second.items}
    return {item.id: item for item in first.items if others.get(item.id) == item_digest(item)}


def _differences(first: StoredResult, second: StoredResult) -> Iterator[BuildDifference]:
    def facts(result: StoredResult) -> dict[str, str]:
        suite, corpora = result.suite, result.corpora
        engines = dict.fromkeys(
            f"{r.contract.runtime.engine} {r.contract.runtime.version} on {r.contract.runtime.device}"
            for r in result.references
        )
        champion = result.champion
        return {
            "made at": result.created_at,
            "model": f"{result.model.source} ({result.model.digest[:12]})",
            "suite": f"{suite.name}@{suite.version} ({suite.digest[:12]})",
            "corpora": ", ".join(f"{c.label} ({c.digest[:12]})" for c in corpora) or "none",
            "runtimes": ", ".join(engines) or "none",
            "smallest that passes": result.short_name(champion) if champion else "none",
        }

    others = facts(second)
    for what, fact in facts(first).items():
        if fact != others[what]:
            yield BuildDifference(what=what, first=fact, second=others[what])
    policies = _rules(first.policy), _rules(second.policy)
    unlike = [rule for rule in policies[0] if policies[0][rule] != policies[1][rule]]
    if unlike:
        was, is_now = (
            ", ".join(f"{rule} {text_or_json(policy[rule])}" for rule in unlike)
            for policy in policies
        )
        yield BuildDifference(what="policy", first=was, second=is_now)


def _rules(policy: Policy) -> JsonObject:
    rules = to_json(policy)
    assert isinstance(rules, dict)
    return rules


def _by_name(result: StoredResult) -> dict[str, StoredVariant]:
    return {result.short_name(variant): variant for variant in result.variants}


def _runs(
    first: ComparedBuild, second: ComparedBuild, items: Mapping[str, Item]
) -> Iterator[RunsCompared]:
    bases = [_bases(build) for build in (first, second)]
    for engine in bases[0]:
        if engine in bases[1]:
            runs = bases[0][engine], bases[1][engine]
            yield _compared(f"{BASE} in {engine}", ("", ""), runs, (first, second), items)
    others = _by_name(second.result)
    for name, variant in _by_name(first.result).items():
        other = others.get(name)
        before, after = _variant(first, variant), _variant(second, other) if other else None
        if other is not None and before is not None and after is not None:
            decisions = variant.decision, other.decision
            yield _compared(name, decisions, (before, after), (first, second), items)


def _bases(build: ComparedBuild) -> dict[str, _Answered]:
    return {
        reference.contract.runtime.engine: _reference(build, reference)
        for reference in build.result.references
    }


def _reference(build: ComparedBuild, reference: StoredReference) -> _Answered:
    wrong = {item.item_id: item.answer for item in reference.wrong_items}
    return _Answered(
        right={item.id: item.id not in wrong for item in build.suite.items},
        subject=reference.subject,
        key=reference.key,
        said=wrong,
    )


def _variant(build: ComparedBuild, variant: StoredVariant) -> _Answered | None:
    """What a variant got right: as the base did, but for what it broke or fixed."""
    verdict = variant.verdict
    if verdict is None or verdict.whole is None:
        return None
    base = next((r for r in build.result.references if r.key == verdict.reference_key), None)
    if base is None:
        return None
    asked = _reference(build, base)
    right = {
        item_id: is_right
        for item_id, is_right in asked.right.items()
        if item_id not in verdict.not_asked
    }
    for change in verdict.changed_answers:
        if change.outcome in (PairOutcome.BROKE, PairOutcome.FIXED):
            right[change.item_id] = change.outcome == PairOutcome.FIXED
    # What is wrong and not listed as changed is the base's own wrong answer.
    said = {**asked.said, **{each.item_id: each.variant.text for each in verdict.changed_answers}}
    return _Answered(right=right, subject=variant.identifier, key=verdict.run_key, said=said)


def _compared(
    name: str,
    decisions: tuple[str, str],
    runs: tuple[_Answered, _Answered],
    builds: tuple[ComparedBuild, ComparedBuild],
    items: Mapping[str, Item],
) -> RunsCompared:
    first, second = runs
    both = [each for each in items if each in first.right and each in second.right]
    unlike = [each for each in both if first.right[each] is not second.right[each]]
    texts = [_texts(build, run, unlike) for build, run in zip(builds, runs, strict=True)]
    lost = sum(first.right[each] for each in unlike)
    gained = len(unlike) - lost
    return RunsCompared(
        name=name,
        first_decision=decisions[0],
        second_decision=decisions[1],
        items=len(both),
        unlike=tuple(
            UnlikeItem(
                item_id=each,
                slices=items[each].slices,
                first_is_right=first.right[each],
                first_answer=texts[0].get(each),
                second_answer=texts[1].get(each),
            )
            for each in sorted(unlike, key=lambda each: (not first.right[each], each))
        ),
        delta=(gained - lost) / len(both) if both else 0.0,
        delta_interval=paired_difference_interval(
            gained=gained, lost=lost, items=len(both), confidence=_CONFIDENCE
        ),
        mcnemar_p=mcnemar_p(lost, gained),
    )


def _texts(build: ComparedBuild, run: _Answered, needed: list[str]) -> Mapping[str, str]:
    """What a run said: as its result has it, and its transcript where that does not say."""
    if all(each in run.said for each in needed) or run.key is None:
        return run.said
    return {**(build.answers(run.subject, run.key) or {}), **run.said}
