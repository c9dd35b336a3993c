"""What a report on a corpus shows: what is wrong, and what a model and its recipes make of the corpus."""

from collections.abc import Iterator

from quantgate.calibration.checks.effective_use import EffectiveUse
from quantgate.calibration.checks.report import CorpusReport, ModelReport
from quantgate.calibration.checks.token_coverage import TokenCoverage
from quantgate.flows.cli.views.blocks import (
    Block,
    BlockRow,
    Heading,
    Sentence,
    Styled,
    TableBlock,
    row,
)
from quantgate.flows.cli.views.findings import counts_sentence, finding_sentence, problems_first


def corpus_check_blocks(report: CorpusReport) -> Iterator[Block]:
    """Yield the report, problems first."""
    yield Sentence(
        plain=f"corpus {report.corpus}: {report.sequences} sequences, "
        f"suite {report.suite}: {report.items} items",
        styled=(
            Styled(f"corpus {report.corpus}", "bold"),
            Styled(f"  {report.sequences:,} sequences, against suite {report.suite}, "),
            Styled(f"{report.items:,} items"),
        ),
    )
    for finding in problems_first(report.findings):
        yield finding_sentence(finding, Styled(finding.text))
    if report.model:
        yield from _model_blocks(report.model)
    yield counts_sentence(report)


def _model_blocks(model: ModelReport) -> Iterator[Block]:
    numbers = ("wanted", "taken", "sequences")
    yield TableBlock(
        title="what each recipe takes",
        headings=(
            Heading("recipe"),
            Heading("backend"),
            *(Heading(name, "right") for name in numbers),
        ),
        rows=tuple(map(_use, model.uses)),
    )
    counts = ("tokens", "unseen", "rare", "of its text", "digits unseen")
    yield TableBlock(
        title="tokens of the suite",
        headings=(Heading("slice"), *(Heading(name, "right") for name in counts)),
        rows=tuple(map(_coverage, model.tokens)),
    )
    yield Sentence.of(f"experts: {_experts(model)}")


def _use(use: EffectiveUse) -> BlockRow:
    asked, taken, sequences = f"{use.wanted_tokens:,}", f"{use.tokens:,}", f"{use.sequences:,}"
    return row(
        (use.recipe, use.backend, asked, taken, sequences),
        f"recipe {use.recipe}: {taken} of {asked} wanted tokens in {sequences} sequences "
        f"({use.backend})",
    )


def _coverage(tokens: TokenCoverage) -> BlockRow:
    share = f"{tokens.unseen_share:.1%}"
    counts = (str(tokens.distinct), str(tokens.unseen), str(tokens.rare))
    return row(
        (tokens.slice, *counts, share, f"{tokens.digits_unseen} of {tokens.digits}"),
        f"slice {tokens.slice}: {tokens.unseen} of {tokens.distinct} tokens unseen, {tokens.rare} rare, "
        f"{share} of its text",
    )


def _experts(model: ModelReport) -> str:
    if not model.is_sparse:
        return "the model has none"
    coverage = model.experts
    if coverage is None:
        return "unknown; no importance matrix of this corpus and model is in the store"
    reached = coverage.experts - coverage.unreached
    return (
        f"{reached} of {coverage.experts} reached; the least used gets "
        f"{coverage.least_share:.1%} of an even share ({coverage.most_starved})"
    )
