"""A corpus held against a suite, and against the backends that would read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quantgate.calibration.checks.effective_use import calibrated
from quantgate.calibration.checks.expectations import expected_text
from quantgate.calibration.checks.findings import coverage_of, overlap_of, use_of
from quantgate.calibration.checks.report import CorpusReport, ModelReport
from quantgate.calibration.checks.token_coverage import (
    TokenCoverage,
    expert_coverage,
    token_coverage,
    tokens_seen,
)
from quantgate.calibration.checks.wording import (
    contamination_text,
    health_findings,
    lack_text,
    model_findings,
)
from quantgate.pipelines.authoring.check import SuiteFinding
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.checkpoints.tools import CheckpointTools
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.prompts import read_item
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.specs.recipes import DEFAULT_RECIPES, find_recipes


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedModel:
    """A model whose tokenizer and recipes a corpus is held against; no names are the default recipes."""

    source: str
    recipes: tuple[str, ...]
    hub: HubSettings
    tools: CheckpointTools = field(default_factory=CheckpointTools)


def check_corpus(
    corpus: Corpus,
    suite: Suite,
    *,
    store: Store,
    threads: int = 1,
    model: AskedModel | None = None,
) -> CorpusReport:
    """Return everything that can be said of a corpus before it is used.

    Raises:
        InputError, CheckpointError, ServiceError: where model or recipes cannot be used.
    """
    copies = overlap_of(corpus, suite, store, threads).found
    coverage = coverage_of(corpus, suite, store)
    report = _model(corpus, suite, store, model) if model else None
    where = f"corpus {corpus.label}"
    findings = [
        *(
            SuiteFinding(severity="problem", where=where, text=contamination_text(copy))
            for copy in copies
        ),
        *health_findings(coverage.health, where),
        *(model_findings(report, where) if report else ()),
        *(
            SuiteFinding(severity="note", where=where, text=lack_text(lack))
            for lack in coverage.lacks
        ),
    ]
    return CorpusReport(
        corpus=corpus.label,
        digest=corpus.digest,
        sequences=corpus.sequence_count,
        suite=f"{suite.name}@{suite.version}",
        items=len(suite.items),
        findings=tuple(findings),
        contaminations=copies,
        lacks=coverage.lacks,
        health=coverage.health,
        model=report,
    )


def _model(corpus: Corpus, suite: Suite, store: Store, asked: AskedModel) -> ModelReport:
    checkpoint = resolve_checkpoint(
        asked.source, name=None, store=store, hub=asked.hub, tools=asked.tools
    )
    chat = ChatFormat.of(checkpoint.folder, suite.template_variables)
    scratch = store.checkpoint(checkpoint.digests.combined)
    recipes = calibrated(find_recipes(asked.recipes or DEFAULT_RECIPES, Path.cwd()))
    uses = [
        use_of(
            corpus, recipe, chat,
            context_length_tokens=checkpoint.context_length_tokens, scratch=scratch,
        )
        for recipe in recipes
    ]  # fmt: skip
    supplied = [use.tokens for use in uses if use.tokens is not None]
    largest = max(supplied, key=lambda tokens: tokens.token_count, default=None)
    if largest is None:
        coverage: tuple[TokenCoverage, ...] = ()
        experts = None
    else:
        coverage = token_coverage(
            slice_tokens(suite, chat),
            tokens_seen(largest),
            lambda ids: chat.tokenizer.decode(list(ids)),
        )
        matrices = [expert_coverage(scratch, tokens) for tokens in supplied]
        experts = next((matrix for matrix in matrices if matrix is not None), None)
    return ModelReport(
        source=asked.source,
        uses=tuple(use.use for use in uses),
        tokens=coverage,
        experts=experts,
        is_sparse=checkpoint.is_sparse,
    )


def slice_tokens(suite: Suite, chat: ChatFormat) -> Mapping[str, Sequence[Sequence[int]]]:
    """Return the token ids of every item, by slice: its prompt as the model reads it, and what it expects."""
    ids = {
        item.id: (
            *_prompt_ids(suite, item, chat),
            *chat.token_ids(expected_text(item, suite.grader_of(item).kind)),
        )
        for item in suite.items
    }
    return {
        part.name: [ids[item.id] for item in suite.items if part.name in item.slices]
        for part in suite.slices
    }


def _prompt_ids(suite: Suite, item: Item, chat: ChatFormat) -> tuple[int, ...]:
    """Return an item's prompt; where the chat template refuses it, what its messages say."""
    try:
        return read_item(suite, item, chat).token_ids
    except InputError:  # `suite check` tells why
        return chat.token_ids("\n".join(message.content for message in item.messages))
