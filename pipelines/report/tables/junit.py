"""A build as JUnit XML: a test suite a variant, a test case for each of its audit's checks and each scope.

The form is the one that CI servers read (testsuites, testsuite, testcase with failure, error or skipped).
What is inconclusive or unproven is skipped with its reason: it neither passed nor failed.
"""

from xml.etree import ElementTree

from quantgate.pipelines.report.stored.result_file import StoredResult, StoredScope, StoredVariant
from quantgate.pipelines.report.wording import visible

_SKIPPED = ("inconclusive", "unproven")


def junit_xml(result: StoredResult) -> str:
    """Return a build as JUnit XML."""
    root = ElementTree.Element("testsuites", name=visible(result.build))
    for variant in result.variants:
        _suite(root, result, variant)
    _count(root, [case for suite in root for case in suite])
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ElementTree.Element, result: StoredResult, variant: StoredVariant) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=visible(variant.identifier))
    suite.set("timestamp", result.created_at)
    if variant.failure is not None:
        _case(suite, variant, "build").append(_said("error", variant.failure))
    for finding in variant.audit.findings if variant.audit else ():
        case = _case(suite, variant, f"audit: {finding.check}")
        if not finding.passed:
            case.append(_said("failure", f"promised {finding.promised}, found {finding.found}"))
    verdict = variant.verdict
    for scope in (verdict.whole, *verdict.slices) if verdict and verdict.whole else ():
        if scope is not None:
            _scope(suite, variant, scope)
    _count(suite, list(suite))


def _scope(suite: ElementTree.Element, variant: StoredVariant, scope: StoredScope) -> None:
    case = _case(suite, variant, "whole suite" if scope.name == "all" else f"slice: {scope.name}")
    if scope.decision == "fail":
        case.append(_said("failure", scope.reason))
    elif scope.decision in _SKIPPED:
        case.append(_said("skipped", f"{scope.decision}: {scope.reason}"))


def _case(suite: ElementTree.Element, variant: StoredVariant, name: str) -> ElementTree.Element:
    classname = visible(variant.identifier)
    return ElementTree.SubElement(suite, "testcase", classname=classname, name=visible(name))


def _said(kind: str, text: str) -> ElementTree.Element:
    shown = visible(text)
    element = ElementTree.Element(kind, message=shown.splitlines()[0] if shown else "")
    element.text = shown
    return element


def _count(element: ElementTree.Element, cases: list[ElementTree.Element]) -> None:
    element.set("tests", str(len(cases)))
    for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(sum(case.find(kind) is not None for case in cases)))
