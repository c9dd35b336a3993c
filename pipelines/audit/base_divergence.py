"""The base in a runtime held against the checkpoint itself: a runtime that computes another model cannot
judge its variants.

Weights are the same numbers in both, so what may be left is rounding on the way: llama.cpp rounds what it
multiplies to F16, the transformers runtime computes in bfloat16.

A mean leaves out the worst position of every full stretch (32 positions). In some models a token near the
beginning may or may not become one that all others attend to, with activations a thousand times larger
("Massive Activations in Large Language Models", arXiv 2402.17762). Where it is on the edge, rounding decides
how far it goes: in SmolLM2-135M the position after `<|im_start|>` moves by 0.006 nats when transformers
rounds to F16 what its linear layers multiply, by 0.02 in llama.cpp and by 0.4 there once an adapter was
merged; every other position stays below 1e-4. No setting changes a single position of a stretch: of twelve
that were dropped 58 to 84 % of the mean was left.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quantgate.pipelines.audit.reach import STRETCH_POSITIONS, stretches_of
from quantgate.pipelines.domain.verdicts.audit import AuditFinding
from quantgate.pipelines.domain.verdicts.base_divergence import (
    BaseDivergence,
    ComputeDtype,
    DivergenceCause,
    PositionKl,
    Rounding,
    Stretch,
)
from quantgate.pipelines.engines.divergence.base_messages import Passage, PositionDivergences

BASE_DIVERGENCE = "computes what the checkpoint computes"
ROUNDING = Rounding(mean_kl=2e-4, stretch_kl=1e-3)
"""Measured: means of 6e-9 to 2e-5 for 27 random checkpoints of 15 architectures, 4e-6 for a real one of 30
layers, 3e-4 in the worst stretch (a mixture of experts); 15 settings that llama.cpp drops made 9e-3 and more,
a norm's epsilon of 1e-6 instead of 1e-4 makes 3e-4."""
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
    """Return means over all positions and over each stretch of a passage, the worst of a stretch left out."""
    stretches, most = list(_stretches(compared)), rounding.stretch_kl
    counted = [at for stretch in stretches for at in stretch.counted]
    outliers = [
        stretch.left_out
        for stretch in stretches
        if stretch.left_out is not None and stretch.mean_kl <= most < stretch.left_out.kl
    ]
    positions = [at for stretch in stretches for at in stretch.positions]
    beyond = (at.position for at in positions if at.kl > most and at not in outliers)
    return BaseDivergence(
        mean_kl=_mean(counted),
        top1_agreement=sum(compared.found.agreed) / len(positions),
        positions=len(positions),
        longest_tokens=1 + max(at.position for at in positions),
        stretches=tuple(stretch.summary for stretch in stretches),
        begins=min(beyond, default=None),
        rounding=rounding,
        compute_dtype=compared.compute_dtype,
        likeliest=compared.found.likeliest,
        unreached=compared.unreached,
        outliers=tuple(outliers),
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
        f"{measured.compute_dtype}), {rounding.stretch_kl:g} in any {STRETCH_POSITIONS} positions, "
        "the worst one of them left out",
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
    if measured.outliers:
        apart = ", ".join(f"{at.kl:.2g} at position {at.position}" for at in measured.outliers)
        sentence += f"; left out, each alone in its stretch: {apart}"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _JudgedStretch:
    """The compared positions that are judged as one."""

    positions: tuple[PositionKl, ...]

    @property
    def left_out(self) -> PositionKl | None:
        """The worst of a full stretch; a shorter one has too few others to show what begins late.

        What is not finite is never rounding.
        """
        worst = max(self.positions, key=lambda at: at.kl)
        is_full = len(self.positions) >= STRETCH_POSITIONS
        return worst if is_full and math.isfinite(worst.kl) else None

    @property
    def counted(self) -> tuple[PositionKl, ...]:
        """The others."""
        left_out = self.left_out
        return tuple(at for at in self.positions if at is not left_out)

    @property
    def mean_kl(self) -> float:
        """What is held, in nats a token."""
        return _mean(self.counted)

    @property
    def summary(self) -> Stretch:
        """What is kept of it."""
        first, last = self.positions[0].position, self.positions[-1].position
        return Stretch(first=first, last=last, mean_kl=self.mean_kl)


def _stretches(compared: Comparison) -> Iterator[_JudgedStretch]:
    """Yield the stretches of each passage in turn."""
    asked = compared.found.asked or [passage.positions for passage in compared.passages]
    kl = iter(compared.found.kl)
    for positions in asked:
        each = tuple(PositionKl(position=position, kl=next(kl)) for position in positions)
        for begin, end in stretches_of(positions):
            yield _JudgedStretch(positions=each[begin:end])


def _mean(counted: Sequence[PositionKl]) -> float:
    return sum(at.kl for at in counted) / len(counted)
