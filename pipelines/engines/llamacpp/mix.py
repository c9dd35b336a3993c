"""Measured mixes: every candidate type made once, groups measured, types assigned under a size budget."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.recipe import MeasuredMix, TensorTypeRule
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.engines.backend import CalibrationTokens
from quantgate.pipelines.engines.llamacpp.build_messages import (
    CandidateFile,
    QuantizeCall,
    QuantizeFacts,
    Sensitivities,
    SensitivityCall,
)
from quantgate.pipelines.engines.llamacpp.build_workers import WORKERS, BuildWorkers
from quantgate.pipelines.engines.llamacpp.types.assignment import TypeChoice, assign
from quantgate.pipelines.engines.llamacpp.types.groups import tensor_groups
from quantgate.pipelines.engines.llamacpp.types.table import TENSOR_TYPES
from quantgate.pipelines.engines.llamacpp.types.tensor_names import NEVER_COVERED
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.formats.gguf.header import read_gguf_header
from quantgate.pipelines.process.devices.placement import placed_on

MIX_SOURCES = (__name__, f"{WORKERS}.sensitivity")
_MOST_TOKENS = 2048
"""Measured on the example: half as many choose worse on other text by a tenth; each costs every group."""
_KEY_LENGTH = 16
_WITHOUT_IMPORTANCE = TensorTypeRule(
    pattern=f"^({'|'.join(re.escape(name) for name in sorted(NEVER_COVERED))})$", type="Q8_0"
)
_EVERYTHING = r"\.weight$"


@dataclass(frozen=True, slots=True, kw_only=True)
class MixBasis:
    """What a mix is measured on: the F16 GGUF, its importance matrix, and the corpus's tokens."""

    base: Path
    imatrix: Path
    calibration: CalibrationTokens
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedType:
    """The type that a group gets."""

    group: str
    tensors: tuple[str, ...]
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeMix:
    """Why each group got its type.

    `added_up` is the sum of the chosen sensitivities in nats a token, which the assignment makes least.
    """

    assignment: tuple[AssignedType, ...]
    bits_per_weight: float
    added_up: float
    sensitivities: Sensitivities


def measured_mix(
    mix: MeasuredMix, basis: MixBasis, scratch: Path, workers: BuildWorkers
) -> TypeMix:
    """Assign types so that divergences, taken as additive, sum up to the least within the budget.

    (Bettering the sum by measuring around it won on the corpus and lost on other text.)

    Raises:
        CheckpointError: where none of the candidates fits some tensor.
        InputError: where the budget is below the cheapest types, or there are no tokens.
        ToolchainError, WorkerError: from the workers.
    """
    sensitivities = _sensitivities(mix.candidates, basis, scratch, workers)
    groups = sensitivities.groups
    choices: dict[str, list[TypeChoice]] = {group.name: [] for group in groups}
    for measured in sensitivities.measured:
        loss = measured.divergence.mean_kl
        choices[measured.group].append(
            TypeChoice(type=measured.type, bits=measured.bits, loss=loss)
        )
    weights = sum(group.parameter_count for group in groups)
    budget_bits = math.floor(weights * mix.budget_bits_per_weight)
    chosen = assign([choices[group.name] for group in groups], budget_bits)
    return TypeMix(
        assignment=tuple(
            AssignedType(group=group.name, tensors=group.tensors, type=choice.type)
            for group, choice in zip(groups, chosen, strict=True)
        ),
        bits_per_weight=sum(choice.bits for choice in chosen) / weights,
        added_up=sum(choice.loss for choice in chosen),
        sensitivities=sensitivities,
    )


def mix_rules(mix: TypeMix) -> tuple[TensorTypeRule, ...]:
    """Return one rule for each tensor of an assignment."""
    return tuple(
        TensorTypeRule(pattern=f"^{re.escape(name)}$", type=assigned.type)
        for assigned in mix.assignment
        for name in assigned.tensors
    )


def _sensitivities(
    candidates: tuple[str, ...], basis: MixBasis, scratch: Path, workers: BuildWorkers
) -> Sensitivities:
    """Return what is sealed in `scratch`, measured once for all budgets.

    Candidates are written beside each other while it is measured (together about a size of the F16 GGUF,
    for six types of 2 to 6 bits) and removed afterwards.
    """
    corpus = basis.calibration
    key = digest_of(
        [
            basis.base.parent.name,
            basis.imatrix.parent.name,
            file_digest(corpus.file),
            corpus.max_length_tokens,
            basis.threads,
            list(candidates),
            source_digest(f"{WORKERS}.quantize", *MIX_SOURCES),
        ]
    )

    def produce(staging: Path) -> Sensitivities:
        header = read_gguf_header(basis.base)
        groups = tensor_groups(header.tensors, candidates, header.architecture)
        used = {kind for group in groups for kind in group.types}
        files = tuple(
            _candidate(kind, basis, staging, workers) for kind in candidates if kind in used
        )
        call = SensitivityCall(
            base=basis.base,
            candidates=files,
            groups=groups,
            calibration=corpus,
            max_tokens=_MOST_TOKENS,
            threads=basis.threads,
        )
        with placed_on(()):  # weights are swapped in main memory
            sensitivities = workers.run("sensitivity", call, Sensitivities, threads=call.threads)
        for file in files:
            file.path.unlink()
        return sensitivities

    folder = scratch / f"sensitivities-{key[:_KEY_LENGTH]}"
    return produce_once(folder, Sensitivities, produce).record


def _candidate(kind: str, basis: MixBasis, folder: Path, workers: BuildWorkers) -> CandidateFile:
    """Quantize everything to one type; what has no importance gets Q8_0 where the type needs it."""
    everything = TensorTypeRule(pattern=_EVERYTHING, type=kind)
    needs = TENSOR_TYPES[kind].needs_importance
    call = QuantizeCall(
        source=basis.base,
        output=folder / f"{kind}.gguf",
        file_type="Q8_0",
        imatrix=basis.imatrix,
        threads=basis.threads,
        tensor_types=(_WITHOUT_IMPORTANCE, everything) if needs else (everything,),
    )
    workers.run("quantize", call, QuantizeFacts, threads=call.threads)
    return CandidateFile(type=kind, path=call.output)
