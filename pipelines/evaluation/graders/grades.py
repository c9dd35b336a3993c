"""Making grades: what is written down is always storable text."""

from pipelines.domain.run import Facet, Grade
from pipelines.evaluation.graders.wording import storable


def right(grader: str, *, canonical: str, reason: str, facets: tuple[Facet, ...] = ()) -> Grade:
    """Return the grade of a right answer."""
    return _grade(grader, 1.0, canonical, reason, facets, correct=True)


def wrong(grader: str, *, canonical: str, reason: str, facets: tuple[Facet, ...] = ()) -> Grade:
    """Return the grade of a wrong answer."""
    return _grade(grader, 0.0, canonical, reason, facets, correct=False)


def scored(
    grader: str,
    *,
    score: float,
    correct: bool,
    canonical: str,
    reason: str,
    facets: tuple[Facet, ...] = (),
) -> Grade:
    """Return a grade between right and wrong; `score` is cut to 0 to 1."""
    return _grade(grader, min(1.0, max(0.0, score)), canonical, reason, facets, correct=correct)


def judged(
    grader: str, *, problem: str | None, canonical: str, expected: str = "as expected"
) -> Grade:
    """Return a right grade where there is no problem, else a wrong one that says it."""
    if problem is None:
        return right(grader, canonical=canonical, reason=expected)
    return wrong(grader, canonical=canonical, reason=problem)


def _grade(
    grader: str,
    score: float,
    canonical: str,
    reason: str,
    facets: tuple[Facet, ...],
    *,
    correct: bool,
) -> Grade:
    return Grade(
        correct=correct,
        reason=storable(reason),
        canonical=storable(canonical),
        grader=grader,
        score=score,
        facets=facets,
    )
