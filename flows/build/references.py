"""The base's own runs, with which every variant is paired: asked where they are missing, and read."""

from dataclasses import replace

from quantgate.flows.build.bases import compute_before_serving, refuse_base, sealed_base
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.stopping import hopeless, refuse_hopeless
from quantgate.pipelines.audit.bench.bench import base_in
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.engines.runtime import kept
from quantgate.pipelines.evaluation.runs import RunPlan, run_suite
from quantgate.pipelines.files.sealed_values import Missing, Sealed


def run_references(build: LocalBuild, runtime_name: str) -> tuple[Run, ...]:
    """Return the base's runs in a runtime: the primary one and its A/A repeats.

    Raises:
        CheckpointError: where the base fails its audit in this runtime, or is not the checkpoint there.
        UnprovableError: where the primary run alone shows that nothing can pass: it is not repeated.
        WorkerError, ToolchainError: from the runtime.
    """
    plans = reference_plans(build, runtime_name)
    if all(build.suite_runs.finished(plan) for plan in plans):
        refuse_base(build, runtime_name)  # an earlier build may have asked one that was waived then
        return tuple(build.read(plan) for plan in plans)
    base = build.bench.base(runtime_name)
    compute_before_serving(build, runtime_name)
    with kept(build.tools.runtimes[runtime_name], base):
        refuse_base(build, runtime_name)
        primary = _run(build, runtime_name, 1)
    refuse_hopeless(build.plan, runtime_name, (primary,))
    # A server is started anew for each repeat: what differs between starts is part of the noise floor.
    repeats = (_run(build, runtime_name, number) for number in range(2, len(plans) + 1))
    return (primary, *repeats)


def run_reference(build: LocalBuild, runtime_name: str, number: int) -> Run | None:
    """Return one of the base's runs in a runtime that may judge, the primary one or a repeat.

    None for a repeat of a primary run that shows by now that nothing can pass.

    Raises:
        WorkerError, ToolchainError: from the runtime.
    """
    primary = primary_reference(build, runtime_name) if number > 1 else None
    if isinstance(primary, Sealed) and hopeless(build.plan, (primary.value,)):
        return None
    return _run(build, runtime_name, number)


def require_prospects(build: LocalBuild, runtime_name: str, references: tuple[Run, ...]) -> None:
    """Refuse to build where the base, which has answered, leaves no variant a way to pass.

    Raises:
        UnprovableError: with how many items it gets reliably right, and how many are needed.
    """
    refuse_hopeless(build.plan, runtime_name, references)


def primary_reference(build: LocalBuild, runtime_name: str) -> Sealed[Run] | Missing:
    """Return the base's primary run in a runtime; its repeats are not read."""
    primary = reference_plans(build, runtime_name)[0]
    if not build.suite_runs.finished(primary):
        return Missing(base_in(runtime_name))
    return Sealed(build.read(primary))


def references_finished(build: LocalBuild, runtime_name: str) -> bool:
    """Whether all of the base's runs in a runtime are sealed, and it may judge there.

    An earlier build may have asked a base that was waived then.
    """
    plans = reference_plans(build, runtime_name)
    return all(build.suite_runs.finished(plan) for plan in plans) and _may_judge(
        build, runtime_name
    )


def sealed_references(build: LocalBuild, runtime_name: str) -> Sealed[tuple[Run, ...]] | Missing:
    """Return the base's runs in a runtime that may judge, where all of them are sealed."""
    if not references_finished(build, runtime_name):
        return Missing(base_in(runtime_name))
    plans = reference_plans(build, runtime_name)
    return Sealed(tuple(build.read(plan) for plan in plans))


def reported_references(build: LocalBuild, runtime_name: str) -> tuple[Run, ...]:
    """Return the base's runs in a runtime as they are sealed, none where one is missing.

    They may be of a runtime that must not judge, or not any more: its waiver may have expired since. Where
    the primary run alone shows that nothing can pass, it is all there is.
    """
    references = sealed_references(build, runtime_name)
    if isinstance(references, Sealed):
        return references.value
    primary = primary_reference(build, runtime_name)
    if isinstance(primary, Missing) or not _may_judge(build, runtime_name):
        return ()
    return (primary.value,) if hopeless(build.plan, (primary.value,)) else ()


def reference_plans(build: LocalBuild, runtime_name: str) -> tuple[RunPlan, ...]:
    """The primary run keeps suite order; repeat number n is shuffled with seed n."""
    runtime = build.tools.runtimes[runtime_name]
    checkpoint = build.plan.checkpoint
    primary = build.suite_runs.plan(
        runtime=runtime,
        identity=runtime.identity(checkpoint.numerics),
        subject=f"{checkpoint.name}--base-{runtime_name}",
        subject_digest=checkpoint.digests.combined,
        schedule=runtime.schedule(build.settings.threads),
    )
    return tuple(in_order(primary, seed) for seed in range(build.plan.policy.reference_runs))


def in_order(run: RunPlan, order_seed: int) -> RunPlan:
    """Return a run with its items shuffled by a seed; 0 keeps suite order."""
    schedule = replace(run.contract.schedule, order_seed=order_seed)
    return replace(run, contract=replace(run.contract, schedule=schedule))


def _run(build: LocalBuild, runtime_name: str, number: int) -> Run:
    plans = reference_plans(build, runtime_name)
    run = plans[number - 1]
    if build.suite_runs.finished(run):
        return build.read(run)
    with build.show(f"reference {number}/{len(plans)}", base_in(runtime_name)) as progress:
        graded = run_suite(
            build.suite_runs,
            run,
            runtime=build.tools.runtimes[runtime_name],
            loadable=build.bench.base(runtime_name),
            on_progress=progress,
        )
    return build.keep(graded)


def _may_judge(build: LocalBuild, runtime_name: str) -> bool:
    base = sealed_base(build, runtime_name)
    return isinstance(base, Sealed) and base.value.may_judge
