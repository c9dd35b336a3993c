"""From what the user asked for to a plan: all is resolved and checked before the first expensive minute."""

from collections.abc import Callable
from dataclasses import dataclass

from calibration.assemble import build_corpus
from calibration.spec import load_corpus_spec
from flows.preflight import (
    refuse_contamination,
    refuse_full_disk,
    refuse_missing_tools,
    refuse_unanswerable,
)
from flows.settings import Settings
from flows.wiring import Equipment, judging_sources
from pipelines.build.checkpoints import resolve_checkpoint
from pipelines.build.variants import PlannedVariant, plan_variant
from pipelines.domain.checkpoint import Checkpoint
from pipelines.domain.corpus import Corpus
from pipelines.domain.errors import InputError, QuantgateError
from pipelines.domain.policy import Policy
from pipelines.domain.recipe import Recipe
from pipelines.domain.suite import Suite
from pipelines.domain.values import Digest, digest_of
from pipelines.files.hashing import source_digest
from pipelines.files.records import record_digest, to_json
from pipelines.specs.builds import BuildSpec
from pipelines.specs.policies import load_policy
from pipelines.specs.recipes import find_recipes
from pipelines.specs.suites import load_suite


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
    refuse_unanswerable(suite)
    refuse_missing_tools(recipes, tools)
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
        refuse_contamination(corpus, suite)
    variants = _plan_variants(checkpoint, recipes, corpus, settings, tools)
    if only is not None:
        variants = _only(variants, only)
    refuse_full_disk(checkpoint, variants, settings)
    return BuildPlan(
        checkpoint=checkpoint,
        suite=suite,
        policy=policy,
        corpus=corpus,
        variants=variants,
        contracts=_contracts(variants, settings, tools),
    )


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
        parts.append(digest_of(to_json(runtime.identity(None))))
        parts.append(digest_of(to_json(runtime.schedule(settings.threads))))
    return (*parts, source_digest(*judging_sources()))
