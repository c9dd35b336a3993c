"""What a report on a suite shows: what is wrong, what each slice can prove, which tails lack items."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from quantgate.flows.cli.views.blocks import Block, BlockRow, Heading, Sentence, Styled, TableBlock
from quantgate.flows.cli.views.findings import counts_sentence, finding_sentence, problems_first
from quantgate.pipelines.authoring.check import SuiteFinding, SuiteReport
from quantgate.pipelines.authoring.proofs import SliceProof
from quantgate.pipelines.authoring.tails import Tail


def suite_blocks(report: SuiteReport) -> Iterator[Block]:
    """Yield the report, problems first."""
    items = f"{report.items} items"
    yield Sentence(
        plain=f"suite {report.name}: {items}",
        styled=(Styled(f"suite {report.name}", "bold"), Styled(f"  {items}")),
    )
    yield from map(_finding, _each_text_once(report))
    yield _proofs(report.slices)
    yield _tails(report.tails)
    lacking = sum(not tail.items for tail in report.tails)
    yield counts_sentence(report, f", {lacking} tails without items" if report.tails else "")


def _each_text_once(report: SuiteReport) -> Iterator[SuiteFinding]:
    """Yield the first finding of each text, with the number of further lines that have it."""
    first: dict[tuple[str, str, str], SuiteFinding] = {}
    counts: Counter[tuple[str, str, str]] = Counter()
    for finding in problems_first(report.findings):
        key = (finding.severity, finding.where, finding.text)
        first.setdefault(key, finding)
        counts[key] += 1
    for text, finding in first.items():
        others = counts[text] - 1
        more = f" (and in {others} more lines)" if others else ""
        yield replace(finding, text=f"{finding.text}{more}")


def _finding(finding: SuiteFinding) -> Sentence:
    place = finding.where if finding.line is None else f"{finding.where}:{finding.line}"
    return finding_sentence(finding, Styled(place, "dim"), Styled(f"  {finding.text}"))


def _proofs(slices: tuple[SliceProof, ...]) -> TableBlock:
    """What each slice can prove; a limit that all share stands in the title.

    In 80 columns the same words again would take every row a second line.
    """
    limits = {proof.limit for proof in slices}
    shared = f", limit {limits.pop()}" if len(limits) == 1 else ""
    return TableBlock(
        title=f"what each slice can prove{shared}",
        headings=(Heading("slice"), Heading("items", "right"), Heading("verdict")),
        rows=tuple(_proof(proof, shared) for proof in slices),
    )


def _proof(proof: SliceProof, shared_limit: str) -> BlockRow:
    verdict = proof.text.partition("; ")[2]
    if shared_limit:
        verdict = verdict.replace(f"{shared_limit})", ")")
    colour = "" if proof.can_pass else "yellow"
    return BlockRow(
        cells=(Styled(proof.name), Styled(str(proof.items)), Styled(verdict, colour)),
        plain=f"slice {proof.text}",
    )


def _tails(tails: tuple[Tail, ...]) -> TableBlock:
    return TableBlock(
        title="tails in which quants break",
        headings=(Heading("tail"), Heading("items", "right"), Heading("where there are none")),
        rows=tuple(map(_tail, tails)),
    )


def _tail(tail: Tail) -> BlockRow:
    return BlockRow(
        cells=(
            Styled(tail.name),
            Styled(str(tail.items), "green" if tail.items else "yellow"),
            Styled("" if tail.items else tail.advice),
        ),
        plain=f"tail {tail.name}: "
        + (f"{tail.items} items" if tail.items else f"none; {tail.advice}"),
    )
