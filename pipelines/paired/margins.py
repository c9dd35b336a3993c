"""How closely the base decided what it gets reliably right: only that can break."""

from collections.abc import Sequence

from quantgate.pipelines.domain.run import Run


def reliable_margins(reference_runs: Sequence[Run]) -> dict[str, float]:
    """Return the margin of every item that all of the base's runs get right, where the first one told it.

    Runs are the primary one and its repeats, all of the same items; see `Answer.margin`.
    """
    primary = reference_runs[0].answers
    reliable = (
        all(graded.grade.correct for graded in answers)
        for answers in zip(*(run.answers for run in reference_runs), strict=True)
    )
    return {
        graded.answer.item_id: graded.margin
        for graded, is_reliable in zip(primary, reliable, strict=True)
        if is_reliable and graded.margin is not None
    }
