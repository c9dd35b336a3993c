"""From what the user asked for to a plan: all is resolved and checked before the first expensive minute."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from calibration.assemble import build_corpus, read_sequences
from calibration.contamination import contaminations
from calibration.spec import load_corpus_spec
from flows.settings import Settings
from flows.wiring import Equipment, judging_sources
from pipelines.build.checkpoints import resolve_checkpoint
from pipelines.build.variants import PlannedVariant, plan_variant
from pipelines.domain.checkpoint import Checkpoint
from pipelines.domain.corpus import Corpus
from pipelines.domain.errors import InputError, QuantgateError, ToolchainError
from pipelines.domain.policy import Policy
from pipelines.domain.recipe import Recipe
from pipelines.domain.suite import Suite
from pipelines.domain.values import Digest, digest_of
from pipelines.evaluation.graders import expectation_problem
from pipelines.files.hashing import source_digest
from pipelines.files.records import record_digest, to_json
from pipelines.specs.builds import BuildSpec
from pipelines.specs.policies import load_policy
from pipelines.specs.recipes import find_recipes
from pipelines.specs.suites import load_suite

_FULL_PRECISION_BITS = 16
_SPARE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """A build, resolved: all that its verdicts depend on. Its key is its content identity."""

    checkpoint: Checkpoint
    suite: Suite
    policy: Policy
    corpus: Corpus | None
    variants: tuple[PlannedVariant, ...]
    contracts: tuple[str, ...]
    """Canonical runtime identities and schedules in play, and the digest of the judging code."""

    @property
    def key(self) -> Digest:
        """Identity of the build."""
        return digest_of(
            {
                "name": self.checkpoint.name,
                "checkpoint": self.checkpoint.digests.combined,
                "suite": self.suite.digest,
                "policy": record_digest(self.policy),
                "variants": [variant.key for variant in self.variants],
                "contracts": list(self.contracts),
            }
        )

    @property
    def name(self) -> str:
        """Readable identity: model, suite and the beginning of the key."""
        return f"{self.checkpoint.name}--{self.suite.name}--{self.key[:12]}"

    @property
    def runtimes(self) -> tuple[str, ...]:
        """Runtimes in play, in order of first use."""
        return tuple(dict.fromkeys(variant.recipe.runtime for variant in self.variants))

    def variant(self, identifier: str) -> PlannedVariant:
        """Return one planned variant by its identifier."""
        return next(v for v in self.variants if v.identifier == identifier)


def make_plan(
    spec: BuildSpec,
    settings: Settings,
    tools: Equipment,
    say: Callable[[str], None],
    only: str | None = None,
) -> BuildPlan:
    """Resolve and check a build; `say` hears what is being done, `only` keeps a single unit.

    Raises:
        QuantgateError: for whatever is wrong, before anything expensive was done.
    """
    suite = load_suite(spec.suite)
    policy = load_policy(spec.policy, suite)
    recipes = find_recipes(spec.recipes, spec.folder)
    corpus_spec = load_corpus_spec(spec.corpus) if spec.corpus else None
    _refuse_unanswerable(suite)
    _refuse_missing_tools(recipes, tools)
    say(f"resolving {spec.model}")
    checkpoint = resolve_checkpoint(
        spec.model,
        name=spec.name,
        store=settings.store,
        hub=settings.hub,
    )
    corpus = None
    if corpus_spec is not None:
        say(f"assembling corpus {corpus_spec.name}")
        corpus = build_corpus(corpus_spec, settings.store)
        _refuse_contamination(corpus, suite)
    variants = _plan_variants(checkpoint, recipes, corpus, settings, tools)
    if only is not None:
        variants = _only(variants, only)
    plan = BuildPlan(
        checkpoint=checkpoint,
        suite=suite,
        policy=policy,
        corpus=corpus,
        variants=variants,
        contracts=_contracts(variants, settings, tools),
    )
    _refuse_full_disk(plan, settings)
    return plan


def needed_bytes(plan: BuildPlan, settings: Settings) -> int:
    """Estimate the disk space of everything that is not built yet."""
    parameters = plan.checkpoint.parameter_count
    missing = [v for v in plan.variants if not v.built(settings.store)]
    bits = sum(v.recipe.bits_per_weight.high for v in missing)
    converted = _FULL_PRECISION_BITS if any(v.recipe.runtime == "llamacpp" for v in missing) else 0
    return int(parameters * (bits + converted) / 8)


def _plan_variants(
    checkpoint: Checkpoint,
    recipes: tuple[Recipe, ...],
    corpus: Corpus | None,
    settings: Settings,
    tools: Equipment,
) -> tuple[PlannedVariant, ...]:
    planned: list[PlannedVariant] = []
    refusals: list[QuantgateError] = []
    for recipe in recipes:
        backend = tools.backends[recipe.options.backend]
        try:
            planned.append(plan_variant(checkpoint, recipe, corpus, backend, settings.threads))
        except QuantgateError as error:
            refusals.append(error)
    if refusals:
        first = refusals[0]
        others = "".join(f"\n{error}" for error in refusals[1:])
        raise type(first)(f"{first.what}{others}", where=first.where, next_step=first.next_step)
    return tuple(planned)


def _only(variants: tuple[PlannedVariant, ...], only: str) -> tuple[PlannedVariant, ...]:
    kept = tuple(v for v in variants if only in (v.identifier, v.recipe.name))
    if not kept:
        known = ", ".join(v.identifier for v in variants)
        raise InputError(f"no unit is called '{only}'", next_step=f"this build has: {known}")
    return kept


def _contracts(
    variants: tuple[PlannedVariant, ...], settings: Settings, tools: Equipment
) -> tuple[str, ...]:
    parts = []
    for name in sorted({variant.recipe.runtime for variant in variants}):
        runtime = tools.runtimes[name]
        parts.append(runtime.source_digest())
        parts.append(digest_of(to_json(runtime.identity(None, ""))))
        parts.append(digest_of(to_json(runtime.schedule(settings.threads))))
    return (*parts, source_digest(*judging_sources()))


def _refuse_unanswerable(suite: Suite) -> None:
    problems = [
        f"item '{item.id}': {problem}"
        for item in suite.items
        if (problem := expectation_problem(suite.grader, item.expected))
    ]
    if problems:
        shown = "\n  ".join(problems[:20])
        raise InputError(
            f"the grader '{suite.grader.kind}' cannot use these expectations:\n  {shown}",
            where=str(suite.folder),
        )


def _refuse_missing_tools(recipes: tuple[Recipe, ...], tools: Equipment) -> None:
    for recipe in recipes:
        for tool in (tools.backends[recipe.options.backend], tools.runtimes[recipe.runtime]):
            if missing := tool.missing():
                raise ToolchainError(
                    missing, where=f"recipe {recipe.name}", next_step="`make doctor` says more"
                )


def _refuse_contamination(corpus: Corpus, suite: Suite) -> None:
    found = contaminations(read_sequences(corpus), suite.items)
    if found:
        first = found[0]
        raise InputError(
            f"{len(found)} items of suite {suite.name} stand in the corpus; the first is "
            f"'{first.item_id}' (sequence '{first.sequence_id}'): {first.text[:80]!r}",
            where=f"corpus {corpus.label}",
            next_step="take these sequences out of the corpus, or the items out of the suite",
        )


def _refuse_full_disk(plan: BuildPlan, settings: Settings) -> None:
    folder = settings.store.root
    while not folder.exists():
        folder = folder.parent
    free, needed = shutil.disk_usage(folder).free, needed_bytes(plan, settings)
    if needed and free < needed + _SPARE_BYTES:
        raise ToolchainError(
            f"this build needs about {(needed + _SPARE_BYTES) / 1e9:.1f} GB of disk and "
            f"{free / 1e9:.1f} GB are free",
            where=str(settings.store.root),
            next_step="free some space, or set QUANTGATE_STORE to another disk",
        )
