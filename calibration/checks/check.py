"""A corpus held against a suite, and against the backends that would read it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quantgate.pipelines.authoring.check import SuiteFinding

if TYPE_CHECKING:
    from quantgate.calibration.checks.contamination import Contamination
    from quantgate.calibration.checks.coverage import Lack
    from quantgate.calibration.checks.effective_use import EffectiveUse
    from quantgate.calibration.checks.health import Health
    from quantgate.calibration.checks.token_coverage import ExpertCoverage, TokenCoverage
    from quantgate.pipelines.domain.corpus import Corpus
    from quantgate.pipelines.domain.suites.suite import Item, Suite
    from quantgate.pipelines.evaluation.chat import ChatFormat
    from quantgate.pipelines.files.store import Store
    from quantgate.pipelines.hub.source import HubSettings

_FOUND_PROBLEMS = 2
_UNSEEN_SHARE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedModel:
    """A model whose tokenizer and recipes a corpus is held against; no names are the default recipes."""

    source: str
    recipes: tuple[str, ...]
    hub: "HubSettings"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """What a model's tokenizer and backends make of a corpus. `experts` is None where nothing is known."""

    source: str
    uses: "tuple[EffectiveUse, ...]"
    tokens: "tuple[TokenCoverage, ...]"
    experts: "ExpertCoverage | None"
    is_sparse: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusReport:
    """All that was found. `findings` say what of it is a problem and what is worth a look."""

    corpus: str
    digest: str
    sequences: int
    suite: str
    items: int
    findings: tuple[SuiteFinding, ...]
    contaminations: "tuple[Contamination, ...]"
    lacks: "tuple[Lack, ...]"
    health: "Health"
    model: ModelReport | None

    @property
    def problems(self) -> tuple[SuiteFinding, ...]:
        """What has to be put right."""
        return tuple(one for one in self.findings if one.severity == "problem")

    @property
    def exit_code(self) -> int:
        """0 fine, 2 problems."""
        return _FOUND_PROBLEMS if self.problems else 0


def check_corpus(
    corpus: "Corpus",
    suite: "Suite",
    *,
    store: "Store",
    threads: int = 1,
    model: "AskedModel | None" = None,
) -> CorpusReport:
    """Return everything that can be said of a corpus before it is used.

    Raises:
        InputError, CheckpointError, ServiceError: where model or recipes cannot be used.
    """
    from quantgate.calibration.checks.findings import look_at, overlap_of

    found = overlap_of(corpus, suite, store, threads).found
    look = look_at(corpus, suite, store)
    looked = _model(corpus, suite, store, model) if model else None
    where = f"corpus {corpus.label}"
    findings = [
        *(
            SuiteFinding(severity="problem", where=where, text=contamination_text(one))
            for one in found
        ),
        *health_findings(look.health, where),
        *(model_findings(looked, where) if looked else ()),
        *(SuiteFinding(severity="note", where=where, text=lack_text(one)) for one in look.lacks),
    ]
    return CorpusReport(
        corpus=corpus.label,
        digest=corpus.digest,
        sequences=corpus.sequence_count,
        suite=f"{suite.name}@{suite.version}",
        items=len(suite.items),
        findings=tuple(findings),
        contaminations=found,
        lacks=look.lacks,
        health=look.health,
        model=looked,
    )


def contamination_text(one: "Contamination") -> str:
    """Say which item stands where, with both texts."""
    kinds = {"exact": "word for word", "normalized": "but for case and punctuation"}
    how = kinds.get(one.kind, f"{one.likeness:.0%} of it, reworded or cut")
    return (
        f"item '{one.item_id}' stands in sequence '{one.sequence_id}' ({how}): {_short(one.text)!r} "
        f"is {_short(one.found)!r} there"
    )


def lack_text(one: "Lack") -> str:
    """Say what a slice tests that the corpus lacks."""
    return f"slice '{one.slice}', {one.aspect}: {one.text}"


def health_findings(health: "Health", where: str) -> Iterator[SuiteFinding]:
    """Yield what is wrong with the corpus on its own."""
    from quantgate.calibration.checks.health import PROBLEMS

    for one in health.symptoms:
        count = f"{one.rows} of {health.rows} sequences" if health.rows else "no sequences"
        yield SuiteFinding(
            severity="problem" if one.ailment in PROBLEMS else "note",
            where=where,
            text=f"{one.ailment}: {count}, first {', '.join(map(repr, one.examples))}",
        )
    for other in health.dominations:
        name = (
            f"source '{other.name}'"
            if other.what == "source"
            else f"the template of '{other.example}'"
        )
        text = f"{name} makes up {other.share:.0%} of the corpus"
        yield SuiteFinding(severity="note", where=where, text=text)


def model_findings(model: ModelReport, where: str) -> Iterator[SuiteFinding]:
    """Yield what a model's tokenizer and backends lack."""
    for use in model.uses:
        if use.problem:
            text = f"recipe {use.recipe} would get nothing of this corpus: {use.problem}"
            yield SuiteFinding(severity="problem", where=where, text=text)
        elif use.note:
            yield SuiteFinding(severity="note", where=where, text=f"recipe {use.recipe} {use.note}")
    for one in model.tokens:
        if one.unseen_share >= _UNSEEN_SHARE or one.digits_unseen:
            shown = ", ".join(map(repr, one.examples))
            digits = (
                f", {one.digits_unseen} of {one.digits} digit tokens among them"
                if one.digits
                else ""
            )
            yield SuiteFinding(severity="note", where=where, text=(
                f"slice '{one.slice}', tokens: calibration never sees {one.unseen} of its {one.distinct} "
                f"tokens ({one.unseen_share:.1%} of its text{digits}): {shown}"
            ))  # fmt: skip
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


def _model(corpus: "Corpus", suite: "Suite", store: "Store", asked: AskedModel) -> ModelReport:
    from quantgate.calibration.checks.effective_use import calibrated
    from quantgate.calibration.checks.findings import use_of
    from quantgate.calibration.checks.token_coverage import (
        expert_coverage,
        token_coverage,
        tokens_seen,
    )
    from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
    from quantgate.pipelines.evaluation.chat import ChatFormat
    from quantgate.pipelines.specs.recipes import DEFAULT_RECIPES, find_recipes

    checkpoint = resolve_checkpoint(asked.source, name=None, store=store, hub=asked.hub)
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
    supplied = [one.tokens for one in uses if one.tokens is not None]
    largest = max(supplied, key=lambda one: one.token_count, default=None)
    if largest is None:
        tokens: tuple[TokenCoverage, ...] = ()
        experts = None
    else:
        tokens = token_coverage(
            slice_tokens(suite, chat),
            tokens_seen(largest),
            lambda ids: chat.tokenizer.decode(list(ids)),
        )
        matrices = [expert_coverage(scratch, one) for one in supplied]
        experts = next((one for one in matrices if one is not None), None)
    return ModelReport(
        source=asked.source,
        uses=tuple(one.use for one in uses),
        tokens=tokens,
        experts=experts,
        is_sparse=checkpoint.is_sparse,
    )


def slice_tokens(suite: "Suite", chat: "ChatFormat") -> Mapping[str, Sequence[Sequence[int]]]:
    """Return the token ids of every item, by slice: its prompt as the model reads it, and what it expects."""
    from quantgate.calibration.checks.expectations import expected_text

    ids = {
        item.id: (
            *_prompt_ids(suite, item, chat),
            *chat.token_ids(expected_text(item, suite.grader_of(item).kind)),
        )
        for item in suite.items
    }
    return {
        one.name: [ids[item.id] for item in suite.items if one.name in item.slices]
        for one in suite.slices
    }


def _prompt_ids(suite: "Suite", item: "Item", chat: "ChatFormat") -> tuple[int, ...]:
    """Return an item's prompt; where the chat template refuses it, what its messages say."""
    from quantgate.pipelines.domain.errors import InputError
    from quantgate.pipelines.evaluation.prompts import read_item

    try:
        return read_item(suite, item, chat).token_ids
    except InputError:  # `suite check` tells why
        return chat.token_ids("\n".join(message.content for message in item.messages))


def _short(text: str, longest: int = 90) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"
