"""What need not be asked: the rest of a run whose decision is settled, all of a build that cannot pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quantgate.flows.build.identity import judging_digest
from quantgate.flows.build.plan import BuildPlan
from quantgate.pipelines.domain.errors import UnprovableError
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.evaluation.graders.protocol import observes
from quantgate.pipelines.evaluation.graders.table import grader_for
from quantgate.pipelines.files.records import record_digest
from quantgate.pipelines.gates.early import Examined, settled
from quantgate.pipelines.gates.prospects import obstacles

PORTIONS = 8
"""In how many pieces a suite is asked: each one starts the runtime once more, and may be the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStop:
    """What a variant's decision depends on before it is asked, with the identity of it."""

    examined: Callable[[Run], Examined]
    identity: Digest

    def __call__(self, so_far: Run) -> bool:
        """Whether the decision is settled by what is answered so far."""
        return settled(self.examined(so_far)) is not None


def stops_early(plan: BuildPlan) -> bool:
    """Whether runs of this build may end early.

    Answers that something has to observe first (a sandbox, a judge model) are observed once, together:
    suites with such graders are asked whole.
    """
    suite = plan.suite
    return plan.policy.early_stopping and not any(
        observes(grader_for(spec)) for item in suite.items for spec in suite.graders_of(item)
    )


def early_stop(plan: BuildPlan, audit: AuditReport, references: tuple[Run, ...]) -> EarlyStop:
    """Return what ends a variant's run, given its audit and the base's complete runs."""
    suite, policy = plan.suite, plan.policy

    def examined(so_far: Run) -> Examined:
        return Examined(
            suite=suite, policy=policy, audit=audit, reference_runs=references, asked=so_far
        )

    identity = digest_of(
        [
            record_digest(policy),
            [run.key for run in references],
            record_digest(audit),
            [record_digest(adjudication) for adjudication in suite.adjudications],
            judging_digest(),
        ]
    )
    return EarlyStop(examined=examined, identity=identity)


def refuse_hopeless(plan: BuildPlan, runtime_name: str, runs: Sequence[Run]) -> None:
    """Refuse to build where these runs of the base leave no variant a way to pass.

    Raises:
        UnprovableError: with how many items it gets reliably right, and how many are needed.
    """
    reasons = hopeless(plan, runs)
    if reasons:
        suite = plan.suite
        raise UnprovableError(
            f"no variant can pass in {runtime_name}, so none was built: {'; '.join(reasons)}",
            where=f"{suite.name}@{suite.version}",
            next_step="add items that the base gets right, or mend those it gets wrong (the page lists "
            "them); --anyway builds and judges all the same",
        )


def hopeless(plan: BuildPlan, runs: Sequence[Run]) -> tuple[str, ...]:
    """Return why nothing can pass; what one run gets wrong, no repeat of it makes reliable."""
    if plan.anyway or not plan.variants:
        return ()
    return obstacles(plan.suite, plan.policy, runs)
