"""Applying what people decided: a grade that a person has overruled or confirmed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from quantgate.pipelines.domain.run import GradedAnswer
from quantgate.pipelines.domain.suites.adjudication import Adjudication, Mark
from quantgate.pipelines.domain.suites.anchor import answer_digest
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import Digest, JsonObject, digest_of
from quantgate.pipelines.evaluation.graders.reading.wording import storable
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.suites.digest import digested

Decided = Mapping[tuple[str, Digest], Adjudication]
"""Decisions by item id and answer digest; only those made on the items as they are."""


def item_digest(item: Item) -> Digest:
    """Return the digest of what an item asks and expects; where it counts does not matter.

    It stays what it was when this program learns to read more of a message: decisions are kept by it.
    """
    asked: JsonObject = {
        "messages": [digested(message) for message in item.messages],
        "tools": list(item.tools),
        "schema": item.schema,
        "expected": item.expected,
    }
    if item.loop is not None:
        asked["loop"] = to_json(item.loop)
    return digest_of(asked)


def decisions(adjudications: Sequence[Adjudication], items: Sequence[Item]) -> Decided:
    """Return the decisions that hold: the last of each answer, made on an item that did not change."""
    named = {adjudication.item_id for adjudication in adjudications}
    current = {item.id: item_digest(item) for item in items if item.id in named}
    return {
        (adjudication.item_id, adjudication.answer_sha256): adjudication
        for adjudication in adjudications
        if current.get(adjudication.item_id) == adjudication.item_sha256
    }


def adjudicated(graded: GradedAnswer, item: Item, decided: Decided) -> GradedAnswer:
    """Return the answer as a person decided, else as it was graded.

    Decisions are about what answers say: thoughts before it do not matter. An answer that the runtime
    reported as an error, or that never stopped thinking, stays wrong. The grader's reason is kept in the new
    one, so that nothing it saw is lost.
    """
    thinking = graded.spoken is not None and not graded.spoken.finished
    if not decided or thinking or graded.answer.finish_reason == "error":
        return graded
    decision = decided.get((item.id, answer_digest(graded.said)))
    if decision is None:
        return graded
    correct = decision.mark is not Mark.WORSE
    said = f"{decision.mark} in the eyes of {decision.decided_by} ({decision.decided_on})"
    if decision.note:
        said += f": {decision.note}"
    grade = replace(
        graded.grade,
        correct=correct,
        score=float(correct),
        way=None if correct else graded.grade.way or "judged wrong",
        reason=storable(f"{said}; the grader: {graded.grade.reason}"),
    )
    return replace(graded, grade=grade)
