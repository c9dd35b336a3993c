"""Why the base in a runtime is not the checkpoint: tried out, setting by setting, and sealed."""

import json
from pathlib import Path

from quantgate.flows.build.audits.base_divergence import BaseComparison, comparison
from quantgate.flows.build.identity import divergence_cause_digest
from quantgate.flows.build.site import BuildSite
from quantgate.pipelines.audit.divergence_causes import Trial, cause_of, suspects, together
from quantgate.pipelines.audit.dropped_settings import Suspect, altering_options
from quantgate.pipelines.domain.errors import CheckpointError, ToolchainError, WorkerError
from quantgate.pipelines.domain.values import JsonValue, digest_of
from quantgate.pipelines.domain.verdicts.base_divergence import BaseDivergence, DivergenceCause
from quantgate.pipelines.engines.checkpoint_logits import forget_logits
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.files.sealed import produce_once

_NAMED = 3


def divergence_cause(
    site: BuildSite, runtime_name: str, base: Loadable, found: BaseDivergence
) -> DivergenceCause:
    """Return why a base that was found to differ does; nothing is tried twice.

    Behind a server what may be the cause is only named: options of its command, else settings. So it is where
    this machine fails over the trials: a later process tries them again.
    """
    if runtime_name not in site.causes:
        site.causes[runtime_name] = _cause(site, runtime_name, base, found)
    return site.causes[runtime_name]


def _cause(
    site: BuildSite, runtime_name: str, base: Loadable, found: BaseDivergence
) -> DivergenceCause:
    commands = [one.command for one in site.plan.servers if one.name == runtime_name]
    if options := tuple(name for command in commands for name in altering_options(command)):
        return DivergenceCause(suspected=options)
    here = comparison(site, runtime_name, base)
    tried = _suspects(here)
    named = DivergenceCause(suspected=tuple(one.setting for one in tried[:_NAMED]))
    if here.runtime.server_access() is not None:  # it has the memory that the checkpoint would take
        return named
    listed: list[JsonValue] = [[one.setting, one.changes] for one in tried]
    key = digest_of([here.key, listed, divergence_cause_digest()])

    def produce(_: Path) -> DivergenceCause:
        trials: list[Trial] = []
        for one in tried:
            trials.append(_trial(here, one))
            if _explains(trials[-1]):
                return cause_of(trials)
        both = together(trials, found)
        return cause_of([*trials, _trial(here, both)] if both else trials)

    folder = site.settings.store.audit(
        f"{site.plan.checkpoint.name}--divergence-cause-{runtime_name}", key
    )
    try:
        return produce_once(folder, DivergenceCause, produce).record
    except (ToolchainError, WorkerError):  # that the base differs is known all the same
        return named


def _suspects(here: BaseComparison) -> tuple[Suspect, ...]:
    report, architecture = here.loading, here.checkpoint.architecture
    return suspects(report.config, report.defaults, architecture, in_llamacpp=here.in_llamacpp)


def _trial(here: BaseComparison, suspect: Suspect) -> Trial:
    """Compute the checkpoint without a setting and hold it against the runtime."""
    request = here.request(changes=json.dumps(suspect.changes, sort_keys=True))
    step = f"compare with the checkpoint without {suspect.setting}"
    try:
        return Trial(suspect=suspect, left=here.measure(request, step))
    except CheckpointError:  # weights that do not fit, or settings that do not go together
        return Trial(suspect=suspect, left=None)
    finally:
        forget_logits(request)


def _explains(trial: Trial) -> bool:
    return trial.left is not None and trial.left.is_rounding
