"""Why the base in a runtime is not the checkpoint: tried out, setting by setting, and sealed."""

import json
from collections.abc import Sequence
from pathlib import Path

from quantgate.pipelines.audit.bench.base_divergence import BaseComparison
from quantgate.pipelines.audit.bench.identity import divergence_cause_digest
from quantgate.pipelines.audit.divergence_causes import Trial, cause_of, suspects, together
from quantgate.pipelines.audit.dropped_settings import Suspect, altering_options
from quantgate.pipelines.domain.errors import CheckpointError, ToolchainError, WorkerError
from quantgate.pipelines.domain.values import JsonValue, digest_of
from quantgate.pipelines.domain.verdicts.base_divergence import BaseDivergence, DivergenceCause
from quantgate.pipelines.engines.checkpoint_logits import forget_logits
from quantgate.pipelines.files.sealed import produce_once

_NAMED = 3


def divergence_cause(
    comparison: BaseComparison, measured: BaseDivergence, server_commands: Sequence[Sequence[str]]
) -> DivergenceCause:
    """Return why a base that was found to differ does; nothing is tried twice.

    Behind a server what may be the cause is only named: options of its command, else settings. So it is where
    this machine fails over the trials: a later process tries them again.
    """
    if options := tuple(name for command in server_commands for name in altering_options(command)):
        return DivergenceCause(suspected=options)
    candidates = _suspects(comparison)
    named = DivergenceCause(suspected=tuple(suspect.setting for suspect in candidates[:_NAMED]))
    if (
        comparison.runtime.server_access() is not None
    ):  # it has the memory that the checkpoint would take
        return named
    listed: list[JsonValue] = [[suspect.setting, suspect.changes] for suspect in candidates]
    key = digest_of([comparison.key, listed, divergence_cause_digest()])

    def produce(_: Path) -> DivergenceCause:
        trials: list[Trial] = []
        for suspect in candidates:
            trials.append(_trial(comparison, suspect))
            if _explains(trials[-1]):
                return cause_of(trials)
        both = together(trials, measured)
        return cause_of([*trials, _trial(comparison, both)] if both else trials)

    folder = comparison.bench.store.audit(
        f"{comparison.checkpoint.name}--divergence-cause-{comparison.runtime_name}", key
    )
    try:
        return produce_once(folder, DivergenceCause, produce).record
    except (ToolchainError, WorkerError):  # that the base differs is known all the same
        return named


def _suspects(comparison: BaseComparison) -> tuple[Suspect, ...]:
    report, architecture = comparison.loading, comparison.checkpoint.architecture
    return suspects(
        report.config, report.defaults, architecture, in_llamacpp=comparison.in_llamacpp
    )


def _trial(comparison: BaseComparison, suspect: Suspect) -> Trial:
    """Compute the checkpoint without a setting and hold it against the runtime."""
    request = comparison.request(changes=json.dumps(suspect.changes, sort_keys=True))
    step = f"compare with the checkpoint without {suspect.setting}"
    try:
        return Trial(suspect=suspect, left=comparison.measure(request, step))
    except CheckpointError:  # weights that do not fit, or settings that do not go together
        return Trial(suspect=suspect, left=None)
    finally:
        forget_logits(request)


def _explains(trial: Trial) -> bool:
    return trial.left is not None and trial.left.is_rounding
