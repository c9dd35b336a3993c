"""Why the base in a runtime is not the checkpoint: tried out, setting by setting, and sealed."""

import json
from pathlib import Path

from flows.audit_sources import BASE_DIVERGENCE
from flows.base_divergence import BaseComparison, comparison
from flows.site import BuildSite
from pipelines.audit.divergence_causes import Trial, cause_of, suspects, together
from pipelines.audit.dropped_settings import Suspect, altering_options
from pipelines.domain.base_divergence import BaseDivergence, DivergenceCause
from pipelines.domain.errors import CheckpointError
from pipelines.domain.values import JsonValue, digest_of
from pipelines.files.hashing import source_digest
from pipelines.files.sealed import produce_once
from pipelines.runtimes.checkpoint_logits import forget_logits
from pipelines.runtimes.protocol import Loadable

_NAMED = 3
_SOURCES = (
    "flows.divergence_causes",
    "pipelines.audit.divergence_causes",
    "pipelines.audit.dropped_settings",
)


def divergence_cause(
    site: BuildSite, runtime_name: str, base: Loadable, found: BaseDivergence
) -> DivergenceCause:
    """Return why a base that was found to differ does.

    Behind a server what may be the cause is only named: options of its command, else settings.

    Raises:
        InputError, ServiceError, ToolchainError, WorkerError: from the child processes.
    """
    commands = [one.command for one in site.plan.servers if one.name == runtime_name]
    if options := tuple(name for command in commands for name in altering_options(command)):
        return DivergenceCause(suspected=options)
    here = comparison(site, runtime_name, base)
    tried = _suspects(here)
    if here.runtime.server_access() is not None:  # it has the memory that the checkpoint would take
        return DivergenceCause(suspected=tuple(one.setting for one in tried[:_NAMED]))
    listed: list[JsonValue] = [[one.setting, one.changes] for one in tried]
    key = digest_of([here.key, listed, source_digest(*BASE_DIVERGENCE, *_SOURCES)])

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
    return produce_once(folder, DivergenceCause, produce).record


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
