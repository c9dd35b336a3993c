"""From what the user asked for to a plan: all is resolved and checked before the first expensive minute."""

from collections.abc import Callable, Mapping
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
from pipelines.specs.kv_caches import over_kv_caches
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

    def builder(self, variant: PlannedVariant) -> PlannedVariant:
        """Return the first variant with these very files: the one whose unit builds them."""
        return next(
            v
            for v in self.variants
            if (v.files_identifier, v.files_key) == (variant.files_identifier, variant.files_key)
        )


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
    recipes = over_kv_caches(find_recipes(spec.recipes, spec.folder), spec.kv_caches)
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
    """Plan every recipe, or refuse the build with all that stands against any of them.

    A build that silently left recipes out would read as if they had been judged.
    """
    planned: list[PlannedVariant] = []
    refusals: dict[str, QuantgateError] = {}
    for recipe in recipes:
        backend = tools.backends[recipe.options.backend]
        try:
            planned.append(plan_variant(checkpoint, recipe, corpus, backend, settings.threads))
        except QuantgateError as error:
            refusals[recipe.name] = error
    if refusals:
        raise _together(refusals, len(recipes))
    return tuple(planned)


def _together(refusals: Mapping[str, QuantgateError], recipe_count: int) -> QuantgateError:
    """One error of the first one's kind that says all of them, by recipe name, and how to go on."""
    errors = tuple(refusals.values())
    steps = list(dict.fromkeys(error.next_step for error in errors if error.next_step))
    if len(refusals) < recipe_count:
        steps.append(f"leave out {', '.join(refusals)}")
    next_step = "; or ".join(steps) or None
    if len(errors) == 1:
        return type(errors[0])(errors[0].what, where=errors[0].where, next_step=next_step)
    told = "".join(f"\n  {error.where}: {error.what}" for error in errors)
    return type(errors[0])(
        f"{len(errors)} of {recipe_count} recipes cannot be built:{told}", next_step=next_step
    )


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
    parts += [
        digest_of(to_json(tools.runtimes[variant.recipe.runtime].identity(variant.recipe)))
        for variant in variants
    ]
    return (*parts, source_digest(*judging_sources()))
