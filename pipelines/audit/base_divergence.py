"""The base in a runtime held against the checkpoint itself: a runtime that computes another model cannot
judge its variants.

Weights are the same numbers in both, so what may be left is rounding on the way: llama.cpp rounds what it
multiplies to F16, the transformers runtime computes in bfloat16.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quantgate.pipelines.audit.reach import STRETCH_POSITIONS, stretches_of
from quantgate.pipelines.domain.verdicts.audit import AuditFinding
from quantgate.pipelines.domain.verdicts.base_divergence import (
    BaseDivergence,
    ComputeDtype,
    DivergenceCause,
    Rounding,
    Stretch,
)
from quantgate.pipelines.engines.divergence.base_messages import Passage, PositionDivergences

BASE_DIVERGENCE = "computes what the checkpoint computes"
ROUNDING = Rounding(mean_kl=5e-4, stretch_kl=2e-3)
"""Measured: means of 6e-9 to 2e-5 for 27 random checkpoints of 15 architectures, 4e-5 for a real one of 30
layers and 5e-4 in its worst stretch; 15 settings that llama.cpp drops made 9e-3 and more, 2e-2 at worst."""
ROUNDING_BFLOAT16 = Rounding(mean_kl=5e-2, stretch_kl=2e-1)
"""Measured: up to 9e-3 in the mean and 3e-2 in the worst stretch (a mixture of experts, and the real one)."""
_EXACT = ("f32", "float32", "f16", "float16")
"""What a server computes in is often not stated: it may be bfloat16 then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a worker found at these passages' positions; the checkpoint itself computed in `compute_dtype`."""

    passages: tuple[Passage, ...]
    found: PositionDivergences
    compute_dtype: ComputeDtype
    unreached: tuple[str, ...]


def summary(compared: Comparison, rounding: Rounding) -> BaseDivergence:
    """Return means over all positions and over each stretch of a passage."""
    kl, stretches, begin = compared.found.kl, [], 0
    asked = compared.found.asked or [passage.positions for passage in compared.passages]
    for each in asked:
        end = begin + len(each)
        stretches += list(_stretches(each, kl[begin:end]))
        begin = end
    positions = [at for each in asked for at in each]
    beyond = [
        at for at, divergence in zip(positions, kl, strict=True) if divergence > rounding.stretch_kl
    ]
    return BaseDivergence(
        mean_kl=_mean(kl),
        top1_agreement=sum(compared.found.agreed) / len(kl),
        positions=len(kl),
        longest_tokens=1 + max(positions),
        stretches=tuple(stretches),
        begins=min(beyond, default=None),
        rounding=rounding,
        compute_dtype=compared.compute_dtype,
        likeliest=compared.found.likeliest,
        unreached=compared.unreached,
    )


def rounding_of(compute_dtype: ComputeDtype, runtime_dtype: str) -> Rounding:
    """Return what rounding explains, where the checkpoint and the runtime compute in these types."""
    exact = compute_dtype == "float32" and runtime_dtype in _EXACT
    return ROUNDING if exact else ROUNDING_BFLOAT16


def audit_base_divergence(measured: BaseDivergence) -> AuditFinding:
    """Hold the mean, and every stretch of every passage: what begins late would be lost in the mean."""
    rounding = measured.rounding
    return AuditFinding(
        check=BASE_DIVERGENCE,
        passed=measured.is_rounding,
        promised=f"at most {rounding.mean_kl:g} nats a token from the checkpoint itself (transformers, "
        f"{measured.compute_dtype}), {rounding.stretch_kl:g} in any {STRETCH_POSITIONS} positions",
        found=divergence_text(measured),
    )


def unmeasured_base_divergence(reason: str) -> AuditFinding:
    """Return the finding on a base that could not be held against its checkpoint; it is no miss."""
    return AuditFinding(
        check=BASE_DIVERGENCE, passed=True, promised="measured where it can be", found=reason
    )


def divergence_text(measured: BaseDivergence) -> str:
    """Say in one line what was measured."""
    worst = measured.worst
    sentence = (
        f"mean KL {measured.mean_kl:.2g} nats a token (worst {worst.mean_kl:.2g} at positions "
        f"{worst.first} to {worst.last}); the likeliest token is the checkpoint's at "
        f"{100 * measured.top1_agreement:.1f} % of {measured.positions} positions in up to "
        f"{measured.longest_tokens} tokens"
    )
    if measured.likeliest is not None:
        sentence += f"; of the {measured.likeliest} likeliest tokens, so at least this much"
    if measured.unreached:
        sentence += f"; not reached: {', '.join(measured.unreached)}"
    return sentence


def refusal(measured: BaseDivergence, engine: str, cause: DivergenceCause) -> str:
    """Say of a base that fails what is computed instead, from where on, and why, as far as that was found."""
    where = f", from position {measured.begins} on" if measured.begins else ""
    return (
        f"{engine} computes something else for this checkpoint (mean KL {measured.mean_kl:.2g} nats a "
        f"token, {measured.worst.mean_kl:.2g} at worst{where}): {cause}"
    )


def _stretches(positions: Sequence[int], kl: Sequence[float]) -> Iterator[Stretch]:
    for begin, end in stretches_of(positions):
        yield Stretch(first=positions[begin], last=positions[end - 1], mean_kl=_mean(kl[begin:end]))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
