"""A build as JUnit XML: a test suite a variant, a test case for each of its audit's checks and each scope.

The form is the one that CI servers read (testsuites, testsuite, testcase with failure, error or skipped).
What is inconclusive or unproven is skipped with its reason: it neither passed nor failed.
"""

from xml.etree import ElementTree

from quantgate.pipelines.report.stored.result_file import StoredResult, StoredVariant
from quantgate.pipelines.report.tables.junit_cases import (
    add_case,
    add_judged,
    count_cases,
    outcome,
    xml_text,
)
from quantgate.pipelines.report.wording import visible


def junit_xml(result: StoredResult) -> str:
    """Return a build as JUnit XML."""
    root = ElementTree.Element("testsuites", name=visible(result.build))
    for variant in result.variants:
        _suite(root, result, variant)
    count_cases(root, [case for suite in root for case in suite])
    return xml_text(root)


def _suite(root: ElementTree.Element, result: StoredResult, variant: StoredVariant) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=visible(variant.identifier))
    suite.set("timestamp", result.created_at)
    if variant.failure is not None:
        add_case(suite, "build").append(outcome("error", variant.failure))
    for finding in variant.audit.findings if variant.audit else ():
        case = add_case(suite, f"audit: {finding.check}")
        if not finding.passed:
            case.append(outcome("failure", f"promised {finding.promised}, found {finding.found}"))
    verdict = variant.verdict
    for scope in (verdict.whole, *verdict.slices) if verdict and verdict.whole else ():
        if scope is not None:
            name = "whole suite" if scope.name == "all" else f"slice: {scope.name}"
            add_judged(suite, name, scope.decision, scope.reason)
    count_cases(suite, list(suite))
