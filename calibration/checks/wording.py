"""Findings about a corpus in words: a sentence each."""

from collections.abc import Iterator

from quantgate.calibration.checks.contamination import Contamination
from quantgate.calibration.checks.coverage import Lack
from quantgate.calibration.checks.health import PROBLEMS, Health
from quantgate.calibration.checks.report import ModelReport
from quantgate.pipelines.authoring.check import SuiteFinding

_UNSEEN_SHARE = 0.02


def contamination_text(copy: Contamination) -> str:
    """Say which item stands where, with both texts."""
    kinds = {"exact": "word for word", "normalized": "but for case and punctuation"}
    how = kinds.get(copy.kind, f"{copy.likeness:.0%} of it, reworded or cut")
    return (
        f"item '{copy.item_id}' stands in sequence '{copy.sequence_id}' ({how}): {_short(copy.text)!r} "
        f"is {_short(copy.found)!r} there"
    )


def lack_text(lack: Lack) -> str:
    """Say what a slice tests that the corpus lacks."""
    return f"slice '{lack.slice}', {lack.aspect}: {lack.text}"


def health_findings(health: Health, where: str) -> Iterator[SuiteFinding]:
    """Yield what is wrong with the corpus on its own."""
    for symptom in health.symptoms:
        count = f"{symptom.rows} of {health.rows} sequences" if health.rows else "no sequences"
        yield SuiteFinding(
            severity="problem" if symptom.ailment in PROBLEMS else "note",
            where=where,
            text=f"{symptom.ailment}: {count}, first {', '.join(map(repr, symptom.examples))}",
        )
    for domination in health.dominations:
        name = (
            f"source '{domination.name}'"
            if domination.what == "source"
            else f"the template of '{domination.example}'"
        )
        text = f"{name} makes up {domination.share:.0%} of the corpus"
        yield SuiteFinding(severity="note", where=where, text=text)


def model_findings(model: ModelReport, where: str) -> Iterator[SuiteFinding]:
    """Yield what a model's tokenizer and backends lack."""
    for use in model.uses:
        if use.problem:
            text = f"recipe {use.recipe} would get nothing of this corpus: {use.problem}"
            yield SuiteFinding(severity="problem", where=where, text=text)
        elif use.note:
            yield SuiteFinding(severity="note", where=where, text=f"recipe {use.recipe} {use.note}")
    yield from _unseen_tokens(model, where)
    if model.experts is not None and model.experts.unreached:
        yield SuiteFinding(severity="note", where=where, text=(
            f"{model.experts.unreached} of {model.experts.experts} experts never get a token of this corpus "
            f"({model.experts.most_starved})"
        ))  # fmt: skip
    elif model.is_sparse and model.experts is None:
        yield SuiteFinding(severity="note", where=where, text=(
            "how the corpus spreads over the model's experts is unknown until an importance matrix of it is "
            "made (build any --imatrix recipe)"
        ))  # fmt: skip


def _unseen_tokens(model: ModelReport, where: str) -> Iterator[SuiteFinding]:
    for coverage in model.tokens:
        if coverage.unseen_share < _UNSEEN_SHARE and not coverage.digits_unseen:
            continue
        shown = ", ".join(map(repr, coverage.examples))
        digits = (
            f", {coverage.digits_unseen} of {coverage.digits} digit tokens among them"
            if coverage.digits
            else ""
        )
        yield SuiteFinding(severity="note", where=where, text=(
            f"slice '{coverage.slice}', tokens: calibration never sees {coverage.unseen} of its "
            f"{coverage.distinct} tokens ({coverage.unseen_share:.1%} of its text{digits}): {shown}"
        ))  # fmt: skip


def _short(text: str, longest: int = 90) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"
