"""The base in each runtime held against the checkpoint itself: once a checkpoint and runtime, and sealed."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.audit_sources import BASE_DIVERGENCE
from flows.room import total_bytes
from flows.site import BuildSite
from pipelines.audit.base_divergence import Comparison, rounding_of, summary
from pipelines.audit.dropped_settings import altering_options, suspects, unusual_settings
from pipelines.audit.reach import passages, reach, unreached_at
from pipelines.domain.base_divergence import BaseDivergence, ComputeDtype
from pipelines.domain.checkpoint import Checkpoint
from pipelines.domain.values import JsonObject, digest_of
from pipelines.files.hashing import source_digest
from pipelines.files.records import to_json
from pipelines.files.sealed import is_sealed, produce_once
from pipelines.files.tokenizer_folder import read_json_object, special_token_ids
from pipelines.process.base_divergence import CheckpointLogitsCall, Passage
from pipelines.process.calls import ignore_progress
from pipelines.runtimes.checkpoint_logits import compute_logits, computed_by, logits_folder
from pipelines.runtimes.protocol import BaseDivergenceRequest, Loadable

_LIBRARIES_BYTES = 1_500_000_000
_BYTES_A_WEIGHT: dict[ComputeDtype, float] = {"float32": 4.3, "bfloat16": 2.2}
_BYTES_A_SCORE = 12
"""What plain attention holds for each head and pair of positions: scores, their softmax and a copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseDivergenceRecord:
    """What stands in the manifest: the divergence, or one sentence why there is none."""

    divergence: BaseDivergence | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How a checkpoint is to be computed; `reason` says why not, where its memory is not there."""

    compute_dtype: ComputeDtype
    passages: tuple[Passage, ...]
    unreached: tuple[str, ...]
    reason: str = ""


def base_divergence(site: BuildSite, runtime_name: str, base: Loadable) -> BaseDivergenceRecord:
    """Return how far the base in a runtime is from the checkpoint itself.

    Raises:
        CheckpointError, InputError, ServiceError, ToolchainError, WorkerError: from the child processes.
    """
    plan = _planned(site)

    def produce(_: Path) -> BaseDivergenceRecord:
        if plan.reason:
            return BaseDivergenceRecord(divergence=None, reason=plan.reason)
        return _measured(site, runtime_name, base, plan)

    folder = _folder(site, runtime_name, base, plan)
    return produce_once(folder, BaseDivergenceRecord, produce).record


def compute_before_serving(site: BuildSite, runtime_name: str, base: Loadable) -> None:
    """Compute the checkpoint's own logits while no server takes memory, where it will be held against one.

    Raises:
        CheckpointError, ToolchainError, WorkerError: from the child process.
    """
    access, plan = site.tools.runtimes[runtime_name].server_access(), _planned(site)
    if access is None or plan.reason or not access.compares(base):
        return
    if is_sealed(_folder(site, runtime_name, base, plan)):
        return
    with site.show("compute the checkpoint itself", f"base in {runtime_name}") as progress:
        compute_logits(_request(site, runtime_name, base, plan), site.tools.run_worker, progress)


def _folder(site: BuildSite, runtime_name: str, base: Loadable, plan: _Plan) -> Path:
    """Return where the record is sealed, by all that it depends on."""
    checkpoint, runtime = site.plan.checkpoint, site.tools.runtimes[runtime_name]
    key = digest_of(
        [
            checkpoint.digests.combined,
            base.path.parent.name if base.path.is_file() else "",
            to_json(runtime.identity(checkpoint.numerics)),
            runtime.source_digest(),
            to_json(plan),
            computed_by(),
            *([site.examination.longest_sequence_tokens] if runtime.server_access() else []),
            source_digest(*BASE_DIVERGENCE),
        ]
    )
    return site.settings.store.audit(f"{checkpoint.name}--base-divergence-{runtime_name}", key)


def likely_causes(site: BuildSite, runtime_name: str) -> tuple[str, ...]:
    """Return where its divergence may come from: a server's command, or settings of the checkpoint."""
    commands = [one.command for one in site.plan.servers if one.name == runtime_name]
    if options := tuple(name for command in commands for name in altering_options(command)):
        return options
    config = _config(site)
    if _computed_by_llamacpp(site, runtime_name):
        return suspects(config, site.plan.checkpoint.architecture)
    return unusual_settings(config)


def _computed_by_llamacpp(site: BuildSite, runtime_name: str) -> bool:
    identity = site.tools.runtimes[runtime_name].identity(site.plan.checkpoint.numerics)
    return identity.kernels == "native"  # whoever calls them


def _measured(
    site: BuildSite, runtime_name: str, base: Loadable, plan: _Plan
) -> BaseDivergenceRecord:
    checkpoint = site.plan.checkpoint
    request = _request(site, runtime_name, base, plan)
    with site.show("compare with the checkpoint", f"base in {runtime_name}") as progress:
        found = site.tools.runtimes[runtime_name].base_divergence(
            request, site.tools.run_worker, progress
        )
    if found is None:
        reason = "not measured: this runtime tells no log probabilities"
        return BaseDivergenceRecord(divergence=None, reason=reason)
    compared = Comparison(
        passages=plan.passages,
        found=found,
        compute_dtype=plan.compute_dtype,
        unreached=plan.unreached if found.asked is None else _unreached(site, found.asked),
    )
    identity = site.tools.runtimes[runtime_name].identity(checkpoint.numerics)
    exact = _computed_by_llamacpp(site, runtime_name)
    rounding = rounding_of(plan.compute_dtype, "f32" if exact else identity.compute_dtype)
    return BaseDivergenceRecord(divergence=summary(compared, rounding))


def _request(
    site: BuildSite, runtime_name: str, base: Loadable, plan: _Plan
) -> BaseDivergenceRequest:
    checkpoint = site.plan.checkpoint
    served = site.tools.runtimes[runtime_name].server_access() is not None
    return BaseDivergenceRequest(
        base=base,
        own_logits=CheckpointLogitsCall(
            checkpoint=checkpoint.folder,
            passages=plan.passages,
            compute_dtype=plan.compute_dtype,
            output=logits_folder(site.scratch, checkpoint, plan.passages, plan.compute_dtype),
        ),
        threads=site.settings.threads,
        context_tokens=site.examination.longest_sequence_tokens if served else 0,
        log=site.settings.store.logs / f"base-divergence-{checkpoint.name}-{runtime_name}.log",
    )


def _unreached(site: BuildSite, asked: Sequence[Sequence[int]]) -> tuple[str, ...]:
    """Return what a server was not asked far enough for: it has room for what the suite asks, and no more."""
    last = max(position for each in asked for position in each)
    context_tokens = site.plan.checkpoint.context_length_tokens
    left = unreached_at(_config(site), last_position=last, context_tokens=context_tokens)
    return tuple(str(one) for one in left)


def _planned(site: BuildSite) -> _Plan:
    checkpoint, config = site.plan.checkpoint, _config(site)
    memory = total_bytes() or sys.maxsize  # where the system tells nothing, it is tried
    compute_dtype = _compute_dtype(checkpoint, memory)
    if compute_dtype is None:
        return _Plan(
            compute_dtype="bfloat16",
            passages=(),
            unreached=(),
            reason=_why_not(checkpoint, memory),
        )
    left = memory - _needed(checkpoint, compute_dtype)
    heads = config.get("num_attention_heads")
    room_tokens = int((left / (_BYTES_A_SCORE * (heads if isinstance(heads, int) else 1))) ** 0.5)
    goal = reach(config, context_tokens=checkpoint.context_length_tokens, room_tokens=room_tokens)
    return _Plan(
        compute_dtype=compute_dtype,
        passages=passages(
            goal.longest_tokens,
            ordinary_ids=_ordinary_ids(checkpoint),
            beginning=special_token_ids(checkpoint.folder).beginning[:1],
        ),
        unreached=tuple(str(one) for one in goal.unreached),
    )


def _compute_dtype(checkpoint: Checkpoint, memory: int) -> ComputeDtype | None:
    """Return the widest type in which it fits into memory; None where it does not, or is low-bit already."""
    types: Sequence[ComputeDtype] = ("float32", "bfloat16")
    if checkpoint.quantization is not None:
        return None
    return next((one for one in types if _needed(checkpoint, one) <= memory), None)


def _why_not(checkpoint: Checkpoint, memory: int) -> str:
    """Return why nothing is measured; two runs of one NVFP4 folder are 0.04 nats a token apart (measured)."""
    if checkpoint.quantization is not None:
        return (
            f"not measured: the checkpoint is low-bit already ({checkpoint.quantization}), and each engine "
            "rounds activations in its own way"
        )
    needed = _needed(checkpoint, "bfloat16") / 1e9
    return (
        f"not measured: the checkpoint itself takes {needed:.1f} GB of memory in bfloat16, and this "
        f"machine has {memory / 1e9:.1f}"
    )


def _needed(checkpoint: Checkpoint, compute_dtype: ComputeDtype) -> int:
    return int(_BYTES_A_WEIGHT[compute_dtype] * checkpoint.parameter_count) + _LIBRARIES_BYTES


def _ordinary_ids(checkpoint: Checkpoint) -> tuple[int, ...]:
    """Return the ids of the vocabulary itself, special and added tokens left out."""
    tokenizer = read_json_object(checkpoint.folder / "tokenizer.json")
    model = tokenizer.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    size = len(vocabulary) if isinstance(vocabulary, dict | list) else 1
    listed = vocabulary.values() if isinstance(vocabulary, dict) else range(size)
    added = tokenizer.get("added_tokens")
    tokens = added if isinstance(added, list) else []
    beside = {token.get("id") for token in tokens if isinstance(token, dict)}
    ids = sorted(one for one in listed if isinstance(one, int))
    return tuple(one for one in ids if one not in beside) or tuple(ids)


def _config(site: BuildSite) -> JsonObject:
    return site.tools.report_loading(
        site.plan.checkpoint, site.settings.store, site.tools.run_worker, ignore_progress
    ).config
