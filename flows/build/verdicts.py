"""Verdicts of a build's variants: each judged once a process, then as one of all that were tried."""

import threading
from collections.abc import Mapping
from dataclasses import replace

from quantgate.flows.build import units
from quantgate.flows.build.errors import REGISTER, errors_of, read_errors
from quantgate.flows.build.site import BuildSite
from quantgate.pipelines.authoring.versions import remember
from quantgate.pipelines.gates.family import family_p, within_family
from quantgate.pipelines.variants.variant import PlannedVariant
from quantgate.registry import Evidence

_turn = threading.RLock()
"""Judging computes in this very process: two threads would do the same work, and no sooner."""


def evidence(site: BuildSite, planned: PlannedVariant) -> Evidence:
    """Put together what is sealed of one variant and judge it, among the others where the policy says so.

    Raises:
        InputError: where a sealed file is missing or was altered, or runs are not comparable.
        WorkerError, ToolchainError, ServiceError: where something had to be made anew.
    """
    with _turn:
        found = _alone(site, planned)
        if site.plan.policy.family_wise == "none":
            return found
        return replace(found, verdict=within_family(found.verdict, _family(site)))


def _alone(site: BuildSite, planned: PlannedVariant) -> Evidence:
    if planned.key not in site.judged:
        audit, verdict = units.verdict(site, planned)
        remember(site.plan.suite, site.settings.store)
        base = units.base_audit(site, planned.recipe.runtime)
        site.judged[planned.key] = Evidence(
            checkpoint=site.plan.checkpoint,
            suite=site.plan.suite,
            variant=site.open(planned),
            audit=audit,
            verdict=verdict,
            base_divergence=base.divergence,
            base_divergence_waiver=base.waiver,
            contamination_waivers=tuple(
                one for one in site.plan.contamination_waivers if one.corpus == planned.corpus_label
            ),
        )
    return site.judged[planned.key]


def _family(site: BuildSite) -> Mapping[str, float]:
    """Return the p-value of every variant of the build; 1 for one that an error stopped.

    All have been answered by then, or never will be in this try.
    """
    errors = read_errors(site.plan, site.settings)
    return {
        one.identifier: family_p(_alone(site, one).verdict)
        if all(error.step == REGISTER for error in errors_of(site.plan, one, errors))
        else 1.0
        for one in site.plan.variants
    }
