"""JUnit XML as CI servers read it: test cases with a failure, an error or skipped, and their counts."""

from xml.etree import ElementTree

from quantgate.pipelines.report.wording import visible

_SKIPPED = ("inconclusive", "unproven")


def add_case(suite: ElementTree.Element, name: str) -> ElementTree.Element:
    """Add a test case to a suite, whose name its class has."""
    classname = suite.get("name", "")
    return ElementTree.SubElement(suite, "testcase", classname=classname, name=visible(name))


def add_judged(suite: ElementTree.Element, name: str, decision: str, reason: str) -> None:
    """Add a test case of what was decided. Inconclusive and unproven ones are skipped with their reason."""
    case = add_case(suite, name)
    if decision == "fail":
        case.append(outcome("failure", reason))
    elif decision in _SKIPPED:
        case.append(outcome("skipped", f"{decision}: {reason}"))


def outcome(kind: str, text: str) -> ElementTree.Element:
    """Return a failure, an error or skipped, with its first line as the message."""
    shown = visible(text)
    element = ElementTree.Element(kind, message=shown.splitlines()[0] if shown else "")
    element.text = shown
    return element


def count_cases(element: ElementTree.Element, cases: list[ElementTree.Element]) -> None:
    """Write into a suite, or all of them, how many cases there are and how they ended."""
    element.set("tests", str(len(cases)))
    for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(sum(case.find(kind) is not None for case in cases)))


def xml_text(root: ElementTree.Element) -> str:
    """Return a document as text, indented."""
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
