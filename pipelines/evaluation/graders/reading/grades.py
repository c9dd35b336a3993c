"""Making grades: what is written down is always storable text."""

from dataclasses import replace

from quantgate.pipelines.domain.run import Facet, Grade, Way
from quantgate.pipelines.evaluation.graders.reading.wording import storable


def right(grader: str, *, canonical: str, reason: str, facets: tuple[Facet, ...] = ()) -> Grade:
    """Return the grade of a right answer."""
    return _grade(grader, 1.0, canonical, reason, facets, None)


def wrong(
    grader: str,
    *,
    canonical: str,
    reason: str,
    facets: tuple[Facet, ...] = (),
    way: Way = "wrong value",
) -> Grade:
    """Return the grade of a wrong answer."""
    return _grade(grader, 0.0, canonical, reason, facets, way)


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
    way: Way | None = None if correct else "wrong value"
    return _grade(grader, min(1.0, max(0.0, score)), canonical, reason, facets, way)


def in_way(grade: Grade, way: Way) -> Grade:
    """Return a grade that says how the answer is wrong, where it is."""
    return grade if grade.correct else replace(grade, way=way)


def judged(
    grader: str,
    *,
    problem: str | None,
    canonical: str,
    expected: str = "as expected",
    way: Way = "wrong value",
) -> Grade:
    """Return a right grade where there is no problem, else a wrong one that says it."""
    if problem is None:
        return right(grader, canonical=canonical, reason=expected)
    return wrong(grader, canonical=canonical, reason=problem, way=way)


def _grade(
    grader: str,
    score: float,
    canonical: str,
    reason: str,
    facets: tuple[Facet, ...],
    way: Way | None,
) -> Grade:
    return Grade(
        correct=way is None,
        reason=storable(reason),
        canonical=storable(canonical),
        grader=grader,
        score=score,
        facets=facets,
        way=way,
    )
