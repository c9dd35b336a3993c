"""From what the user asked for to a plan: all is resolved and checked before the first expensive minute."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePath

from quantgate.calibration.drawing.rendering import rendering_digest
from quantgate.flows.build.corpora.plan import BuildCorpora, assemble, corpora_specs
from quantgate.flows.build.identity import build_digest
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import SOURCE_RUNTIME, BuildPlan, runtimes_of
from quantgate.flows.build.planning.first_child import FirstChild
from quantgate.flows.build.planning.fitting import (
    fitting_recipes,
    refuse_unloadable,
    with_fitting_recipes,
)
from quantgate.flows.build.planning.memory import refuse_beyond_memory
from quantgate.flows.build.planning.preparing import prepare
from quantgate.flows.build.preflight.all import (
    refuse_full_disk,
    refuse_low_bit_source,
    refuse_missing_tools,
    refuse_refused,
    refuse_unanswerable,
    refuse_unbound,
)
from quantgate.flows.build.preflight.checkpoint import looking_inside
from quantgate.flows.build.preflight.prompts import PlanningInputs, preflight_prompts
from quantgate.flows.build.preflight.refusals import together
from quantgate.flows.build.preflight.registry import refuse_taken_name, refuse_unready_registry
from quantgate.flows.build.preflight.suite_contents import refuse_other_content
from quantgate.flows.build.preflight.without_effect import say_without_effect
from quantgate.flows.build.sharing.opening import refuse_unusable_shared_store
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools, servers_in_use, table_reader, wire
from quantgate.pipelines.authoring.lm_eval import suite_folder
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.checkpoints.tools import CheckpointTools
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import InputError, QuantgateError
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.evaluation.sandbox.choose import refuse_unsandboxed
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.specs.builds import BuildSpec
from quantgate.pipelines.specs.corpora_axis import NO_CORPUS, split_corpus
from quantgate.pipelines.specs.kv_caches import over_kv_caches
from quantgate.pipelines.specs.policies import load_policy
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.specs.servers import judged_in
from quantgate.pipelines.suites.load import load_suite
from quantgate.pipelines.variants.foreign.on_hub import headers_alone, whole_files
from quantgate.pipelines.variants.foreign.recipes import foreign_recipes
from quantgate.pipelines.variants.variant import PlannedVariant, plan_variant
from quantgate.registry.names import check_model_name


def plan_build(
    spec: BuildSpec,
    settings: Settings,
    say: Callable[[str], None],
    only: str | None = None,
    on_first_child: Callable[[], None] | None = None,
) -> BuildPlan:
    """Resolve and check a build with the tools of this machine, in a store that is made ready for it.

    `on_first_child` is called before the first child process looks into the checkpoint, if any has to: one
    that was looked into before is planned in a second. What is refused after that is seldom.

    Raises:
        QuantgateError: for whatever is wrong, before anything expensive was done.
    """
    prepare(settings.store)
    refuse_unusable_shared_store(settings, say)
    tools = wire(settings, servers_in_use(spec, settings.server_versions))
    return make_plan(spec, settings, tools, say, only, on_first_child)


def make_plan(
    spec: BuildSpec,
    settings: Settings,
    tools: Tools,
    say: Callable[[str], None],
    only: str | None = None,
    on_first_child: Callable[[], None] | None = None,
) -> BuildPlan:
    """Resolve and check a build; `say` hears what is being done, `only` keeps a single unit.

    See `plan_build` for `on_first_child`.

    Raises:
        QuantgateError: for whatever is wrong, before anything expensive was done.
    """
    suite = _suite(spec, settings, tools, say)
    policy = load_policy(spec.policy, suite)
    specs = corpora_specs(spec)
    recipes = specs.recipes(find_recipes(spec.recipes, spec.folder), say)
    recipes = (*recipes, *_foreign(spec, settings, say))
    recipes = over_kv_caches(recipes, spec.kv_caches)
    recipes = judged_in(recipes, spec.servers, spec.judge_in)
    source_runtime = spec.judge_in[0] if spec.judge_in else SOURCE_RUNTIME
    _refuse_unaskable(suite, recipes, runtimes_of(recipes, source_runtime), tools)
    if recipes:
        refuse_unready_registry(spec, settings, say)
    checkpoint = _checkpoint(spec, recipes, settings, tools, say)
    say_without_effect(spec, recipes, checkpoint, say)
    if recipes:
        refuse_taken_name(checkpoint, spec, settings, say)
    recipes = fitting_recipes(recipes, checkpoint, tools, spec, say)
    refuse_unloadable(checkpoint, recipes, source_runtime, tools)
    if on_first_child is not None:
        tools = replace(tools, run_worker=FirstChild(tools.run_worker, on_first_child))
    with looking_inside(checkpoint, recipes, settings, tools, say, chosen=not spec.bundled) as look:
        inputs = PlanningInputs(
            suite=suite,
            checkpoint=checkpoint,
            servers=tools.servers,
            settings=settings,
            run_worker=tools.run_worker,
        )
        preflight_prompts(inputs, say)
        calibrated = assemble(specs, inputs, recipes, say)
        variants = _plan_variants(checkpoint, recipes, calibrated, settings, tools, say)
        variants = _rendered(variants, rendering_digest(suite.template_variables))
    if only is not None:
        variants = _only(variants, only)
    variants = look.convertible(variants, say)
    plan = BuildPlan(
        checkpoint=checkpoint,
        suite=suite,
        policy=policy,
        corpora=calibrated.corpora,
        variants=variants,
        contracts=(
            *_contracts(checkpoint, variants, source_runtime, settings, tools),
            *((digest_of(spec.template_variables),) if spec.template_variables else ()),
            *((digest_of("offload"),) if spec.offload else ()),
        ),
        servers=tools.servers,
        source_runtime=source_runtime,
        contamination_waivers=calibrated.waivers,
        base_divergence_waiver=spec.base_divergence_waiver,
        offload=spec.offload,
        anyway=spec.anyway,
        speed=spec.speed,
        traffic=specs.traffic,
    )
    refuse_full_disk(plan, settings)
    refuse_beyond_memory(LocalBuild(plan=plan, settings=settings, tools=tools))
    return plan


def _suite(spec: BuildSpec, settings: Settings, tools: Tools, say: Callable[[str], None]) -> Suite:
    folder = suite_folder(spec.suite, settings.store, tools.run_worker)
    suite = _with_variables(load_suite(folder, table_reader(settings)), spec)
    refuse_other_content(suite, settings, say)
    return suite


def _foreign(spec: BuildSpec, settings: Settings, say: Callable[[str], None]) -> tuple[Recipe, ...]:
    """Return a recipe for everything that others made; the model's name is left out of theirs."""
    if not spec.foreign:
        return ()
    base_name = spec.name or PurePath(spec.model.partition("@")[0]).name
    return foreign_recipes(
        spec.foreign,
        base_name,
        store=settings.store,
        hub=settings.hub,
        say=say,
        fetch=headers_alone if spec.plan_only else whole_files,
    )


def _refuse_unaskable(
    suite: Suite, recipes: Sequence[Recipe], runtimes: Sequence[str], tools: Tools
) -> None:
    """Refuse what needs no checkpoint to be seen: items, sandboxes, tools and what engines take."""
    refuse_unanswerable(suite)
    refuse_unsandboxed(suite)
    refuse_missing_tools(recipes, runtimes, tools)
    refuse_unbound(suite, runtimes, tools)
    refuse_refused(suite, runtimes, tools)


def _checkpoint(
    spec: BuildSpec,
    recipes: Sequence[Recipe],
    settings: Settings,
    tools: Tools,
    say: Callable[[str], None],
) -> Checkpoint:
    say(f"resolving {spec.model}")
    checkpoint = resolve_checkpoint(
        spec.model,
        name=spec.name,
        store=settings.store,
        hub=settings.hub,
        tools=CheckpointTools(
            architectures=tools.architectures,
            open_gguf=tools.open_gguf,
            expand_folder=tools.expand_folder,
            expansion=spec.expansion,
        ),
    )
    check_model_name(checkpoint.name)
    refuse_low_bit_source(checkpoint, [recipe for recipe in recipes if not recipe.is_foreign])
    return checkpoint


def _with_variables(suite: Suite, spec: BuildSpec) -> Suite:
    """Lay a build's template variables over the suite's; the suite stays the one that its digest names."""
    return replace(
        suite, template_variables={**suite.template_variables, **spec.template_variables}
    )


def _plan_variants(
    checkpoint: Checkpoint,
    recipes: tuple[Recipe, ...],
    calibrated: BuildCorpora,
    settings: Settings,
    tools: Tools,
    say: Callable[[str], None],
) -> tuple[PlannedVariant, ...]:
    """Plan every recipe, or refuse the build with all that stands against any of them.

    A build that silently left recipes out would read as if they had been judged. Only where corpora are
    compared, what cannot be built without one is left out of the comparison, and that is said.
    """
    planned: list[PlannedVariant] = []
    refusals: dict[str, QuantgateError] = {}
    for recipe in recipes:
        backend, corpus = tools.backends[recipe.options.backend], calibrated.of(recipe)
        try:
            planned.append(plan_variant(checkpoint, recipe, corpus, backend, settings.threads))
        except QuantgateError as error:
            if split_corpus(recipe.name)[1] == NO_CORPUS:
                say(f"{recipe.name} {error.what}: left out of the comparison")
            else:
                refusals[recipe.name] = error
    if refusals:
        raise with_fitting_recipes(together(refusals, len(recipes)), checkpoint, tools)
    return tuple(planned)


def _rendered(
    variants: tuple[PlannedVariant, ...], rendering: Digest
) -> tuple[PlannedVariant, ...]:
    """Put into calibrated variants' keys how their corpora become tokens."""
    return tuple(
        replace(variant, rendering=rendering) if variant.corpus_digest is not None else variant
        for variant in variants
    )


def _only(variants: tuple[PlannedVariant, ...], only: str) -> tuple[PlannedVariant, ...]:
    kept = tuple(v for v in variants if only in (v.identifier, v.recipe.name))
    if not kept:
        names = ", ".join(v.identifier for v in variants)
        raise InputError(
            f"no unit is called '{only}'", next_step=f"this build has: {names or 'no recipes'}"
        )
    return kept


def _contracts(
    checkpoint: Checkpoint,
    variants: tuple[PlannedVariant, ...],
    source_runtime: str,
    settings: Settings,
    tools: Tools,
) -> tuple[str, ...]:
    parts = []
    for name in sorted(runtimes_of([variant.recipe for variant in variants], source_runtime)):
        runtime = tools.runtimes[name]
        parts.append(runtime.source_digest())
        parts.append(digest_of(to_json(runtime.identity(checkpoint.numerics))))
        parts.append(digest_of(to_json(runtime.schedule(settings.threads))))
    parts += [
        digest_of(to_json(tools.runtimes[variant.recipe.runtime].identity(variant.recipe)))
        for variant in variants
    ]
    return (*parts, build_digest())
