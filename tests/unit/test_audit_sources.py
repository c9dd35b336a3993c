"""Audits, and finished builds, are of the code that made them: none of it is missing in their identity."""

from pathlib import Path

from flows.build.audit_sources import AUDIT, BASE_DIVERGENCE
from flows.wiring import judging_sources
from pipelines.files.hashing import source_digest
from tests.unit.test_planning import plan, spec

ROOT = Path(__file__).parents[2]
NOT_OF_ONE_SUBJECT = {
    "pipelines.audit.behaviour",
    "pipelines.audit.divergence_causes",
    "pipelines.audit.dropped_settings",
}
"""What is said of answers, which nothing seals, and why a base differs, which is sealed by itself."""


def modules(folder: str, pattern: str = "*.py") -> set[str]:
    names = (path.relative_to(ROOT).with_suffix("") for path in (ROOT / folder).glob(pattern))
    return {".".join(name.parts) for name in names if name.name != "__init__"}


def test_every_module_that_audits_or_looks_or_compares_is_named() -> None:
    engines = "pipelines/engines"
    looking = modules(engines, "*/workers/probe.py") | modules(engines, "*/workers/*divergence.py")
    served = {name for name in looking if ".openai." in name}  # of their runtime's own digest
    named = {*AUDIT, *BASE_DIVERGENCE, *NOT_OF_ONE_SUBJECT}
    assert modules("pipelines/audit") | (looking - served) <= named


def test_a_build_is_not_finished_any_more_once_an_audit_would_say_something_else(
    tmp_path: Path,
) -> None:
    made = plan(tmp_path, spec(tmp_path, "Q8_0"))
    judged = source_digest(*judging_sources(), *AUDIT, *BASE_DIVERGENCE)
    assert made.contracts[-1] == judged
    assert judged != source_digest(*judging_sources())


def test_what_domain_types_work_out_of_answers_is_part_of_judging() -> None:
    assert {"pipelines.domain.loops", "pipelines.domain.verdicts.verdict"} <= set(judging_sources())
