"""Two registered versions beside each other: facts, and the items that one gets right and the other wrong.

Every run keeps its verdict as a file, with the items whose correctness changed from the base's. Where two
verdicts are on the same answers of the base, what only one of them lists is what their versions answer
unalike. What was said word for word stands in transcripts, where the store that is open has them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.store import Store, open_store
from quantgate.registry.facts import to_tags
from quantgate.registry.opening import open_reader
from quantgate.registry.protocol import OpenReader, RegistryReader
from quantgate.registry.questions.kept_verdicts import KeptVerdict, kept_verdict, said
from quantgate.registry.questions.references import resolve
from quantgate.registry.questions.versions import RegisteredVersion
from quantgate.registry.tracking import Tracking

_NOT_COMPARED = frozenset(
    (
        *("location", "artifact", "place"),
        *("subject_key", "version_key", "evidence_key", "base_warning"),
    )
)
"""Where files lie, and what follows from other facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactDifference:
    """A fact in which two versions differ, as their tags spell it."""

    name: str
    first: str
    second: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDifference:
    """An item that one version gets right and the other wrong; an answer that is not known here is None."""

    item_id: str
    slices: tuple[str, ...]
    first_is_right: bool
    second_is_right: bool
    first_answer: str | None
    second_answer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionComparison:
    """Two versions. `items` is None where they cannot be compared, and `problem` says why.

    `changed_answers` counts items that the two answer in other words, None where transcripts are not here.
    """

    first: RegisteredVersion
    second: RegisteredVersion
    facts: tuple[FactDifference, ...]
    items: tuple[ItemDifference, ...] | None
    changed_answers: int | None
    problem: str = ""


def compare(first: str, second: str, *, tracking_uri: str | None = None) -> VersionComparison:
    """Compare what two references (`NAME`, `NAME@ALIAS`, `NAME/VERSION`) mean; otherwise as `lookup`.

    Raises:
        InputError: a reference is malformed, or a version's tags were altered.
        NotFoundError: no such model, alias or version; it says what there is instead.
        ServiceError: the registry did not answer, or refused.
    """
    return compared(first, second, Tracking.resolve(open_store(), uri=tracking_uri))


def compared(
    first: str, second: str, tracking: Tracking, *, open_reader: OpenReader = open_reader
) -> VersionComparison:
    """Return what `compare` does, from the registry that `open_reader` opens."""
    with open_reader(tracking) as reader:
        versions = [resolve(reader, reference, tracking) for reference in (first, second)]
        facts = _fact_differences(*(to_tags(version.facts) for version in versions))
        try:
            verdicts = _comparable(reader, *versions)
        except InputError as error:
            return VersionComparison(
                first=versions[0],
                second=versions[1],
                facts=facts,
                items=None,
                changed_answers=None,
                problem=str(error),
            )
    answers = [
        _answers(tracking.store, verdict, version)
        for verdict, version in zip(verdicts, versions, strict=True)
    ]
    return VersionComparison(
        first=versions[0],
        second=versions[1],
        facts=facts,
        items=_item_differences(*verdicts, *answers),
        changed_answers=_changed(*answers),
    )


def _fact_differences(
    first: Mapping[str, str], second: Mapping[str, str]
) -> tuple[FactDifference, ...]:
    return tuple(
        FactDifference(name=name, first=first[name], second=second[name])
        for name in first
        if first[name] != second[name] and name not in _NOT_COMPARED
    )


def _comparable(
    reader: RegistryReader, first: RegisteredVersion, second: RegisteredVersion
) -> tuple[KeptVerdict, KeptVerdict]:
    """Return both verdicts.

    Raises:
        InputError: one cannot be read, or they are not on the same answers of one base.
    """
    if first.facts.digests.suite != second.facts.digests.suite:
        raise InputError(
            f"{first.facts.suite} and {second.facts.suite} ask other items",
            next_step="name two versions that were judged on one suite",
        )
    verdicts = kept_verdict(reader, first), kept_verdict(reader, second)
    if verdicts[0].reference_key != verdicts[1].reference_key:
        raise InputError(
            "they were held against different answers of the base (another base, runtime, or prompts)",
            next_step="compare their transcripts: quantgate judge RUN_A RUN_B",
        )
    return verdicts


def _answers(
    store: Store, verdict: KeptVerdict, version: RegisteredVersion
) -> Mapping[str, str] | None:
    return said(store.run(verdict.subject, verdict.run_key), version.facts.digests.transcript)


def _item_differences(
    first: KeptVerdict,
    second: KeptVerdict,
    first_answers: Mapping[str, str] | None,
    second_answers: Mapping[str, str] | None,
) -> tuple[ItemDifference, ...]:
    """Items that only one verdict lists as changed: the other version answers them as the base does."""
    differences = []
    for item_id in sorted(first.changed.keys() ^ second.changed.keys()):
        listed = first.changed.get(item_id) or second.changed[item_id]
        right = listed.is_right
        differences.append(
            ItemDifference(
                item_id=item_id,
                slices=listed.slices,
                first_is_right=right if item_id in first.changed else not right,
                second_is_right=right if item_id in second.changed else not right,
                first_answer=_answer(item_id, first, first_answers),
                second_answer=_answer(item_id, second, second_answers),
            )
        )
    return tuple(differences)


def _answer(item_id: str, verdict: KeptVerdict, answers: Mapping[str, str] | None) -> str | None:
    if answers is not None and item_id in answers:
        return answers[item_id]
    return verdict.changed[item_id].answer if item_id in verdict.changed else None


def _changed(first: Mapping[str, str] | None, second: Mapping[str, str] | None) -> int | None:
    if first is None or second is None:
        return None
    return sum(
        first.get(item_id) != second.get(item_id) for item_id in first.keys() | second.keys()
    )
