"""How near the base's each weight of a GGUF is, held against what its type costs any weight.

A fine-tune's weights resemble the base's: they differ by a few percent of their size. Rounding to 8 bits
moves a weight by half a percent, to 6 by less than two: a file of another model shows in its finest tensors.
"""

from collections.abc import Mapping

from quantgate.pipelines.domain.verdicts.audit import AuditFinding, Divergence

TYPICAL: Mapping[str, float] = {
    "Q8_0": 1.4e-5, "Q6_K": 1.6e-4, "Q5_1": 6.0e-4, "Q5_K": 6.5e-4, "Q5_0": 8.4e-4, "Q4_1": 2.6e-3,
    "Q4_K": 2.6e-3, "IQ4_NL": 2.9e-3, "IQ4_XS": 3.0e-3, "Q4_0": 3.4e-3, "NVFP4": 4.5e-3,
    "MXFP4": 6.7e-3, "IQ3_S": 9.4e-3, "Q3_K": 1.1e-2, "IQ3_XXS": 1.8e-2, "IQ2_S": 3.2e-2,
    "Q2_K": 3.9e-2, "IQ2_XS": 4.6e-2,
}  # fmt: skip
"""One minus the cosine of normally distributed weights with themselves after rounding, by type.

Measured with ggml's own routines, the mean of equal importance and of random one. Types of fewer bits tell
nothing that `LEAST_COSINE` does not.
"""

MOST_TIMES = 4.0
"""Heavy tails (Student's t, four degrees of freedom) double it, importance adds a half (measured)."""

_SHOWN = 3


def audit_nearness(measured: Divergence, types: Mapping[str, str]) -> AuditFinding:
    """Hold each quantized weight's distance from the base's against its type's; `types` are by name."""
    times = {
        weight.name: (1 - weight.cosine) / TYPICAL[types[weight.name]]
        for weight in measured.resemblances
        if types.get(weight.name) in TYPICAL
    }
    ordered = sorted(times, key=lambda name: -times[name])
    strange = [name for name in ordered if not times[name] <= MOST_TIMES]
    shown = ", ".join(f"{times[n]:.3g} times in {n}" for n in (strange[:_SHOWN] or ordered[:1]))
    return AuditFinding(
        check="weights are as near the base's as their types allow",
        passed=not strange,
        promised=f"each at most {MOST_TIMES:g} times as far as rounding takes a weight",
        found=f"{len(times) - len(strange)} of {len(times)}"
        + (f"; farthest: {shown}" if shown else ""),
    )
