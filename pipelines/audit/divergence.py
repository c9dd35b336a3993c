"""Divergence from the base, held against plain round-to-nearest, and each weight against the base's own.

An explanation and a tripwire, never the gate of quality: it finds what was corrupted on the way (a tool
that swaps, zeroes or overwrites weights and exits 0), not what a suite would miss.
"""

from quantgate.pipelines.domain.verdicts.audit import AuditFinding, Divergence
from quantgate.pipelines.domain.verdicts.ruler import Ruler

DIVERGENCE_TOKENS = 4096
"""Positions compared: two runs of the example differ by a few percent in mean divergence, and an audit
takes seconds on a small model."""

FACTOR = 2.5
FLOOR = 1e-4
"""Measured on the bundled example, honest variants of every type and scheme have 0.15 to 1.5 times their
ruler's divergence, and autoawq's corruption on a CPU fifty times."""

LEAST_COSINE = 0.5
"""Of a weight with the base's: ternary values have 0.7 and more, noise, zeros and other layers' none."""

_SHOWN = 3
_CHECK = "divergence from the base against round-to-nearest"


def audit_divergence(measured: Divergence, ruler: Ruler, nearest: Divergence) -> AuditFinding:
    """Hold a variant's divergence against its ruler's at the same tokens.

    A divergence of exactly zero is the base itself, passed off as quantized.
    """
    limit = FACTOR * nearest.mean_kl + FLOOR
    return AuditFinding(
        check=_CHECK,
        passed=0 < measured.mean_kl <= limit,
        promised=f"more than 0, at most {limit:.3g} nats a token: {FACTOR:g} times the "
        f"{nearest.mean_kl:.3g} of {ruler.label} rounded to nearest",
        found=_found(measured),
    )


def audit_unruled_divergence(measured: Divergence, why: str) -> AuditFinding:
    """Report a divergence that no ruler can be made for: only 0, and infinity, are held against it."""
    return AuditFinding(
        check=_CHECK,
        passed=0 < measured.mean_kl < float("inf"),
        promised=f"more than 0; held against no round-to-nearest: {why}",
        found=_found(measured),
    )


def _found(measured: Divergence) -> str:
    return (
        f"{measured.mean_kl:.3g} nats a token; the likeliest token is the base's at "
        f"{100 * measured.top1_agreement:.1f} % of {measured.tokens} positions{_signs(measured)}"
    )


def _signs(measured: Divergence) -> str:
    """Say what else was measured on the way; shown, and held to nothing."""
    signs = measured.tripwires
    if signs is None:
        return ""
    return (
        f"; perplexity {signs.perplexity:.3g} for the base's {signs.base_perplexity:.3g}"
        f" ({signs.perplexity_ratio:.3f} times), decision margin {signs.margin_ratio:.3f} times"
    )


def unmeasured_divergence(reason: str) -> AuditFinding:
    """Return the finding on a variant whose divergence cannot be measured."""
    return AuditFinding(check=_CHECK, passed=False, promised="measured", found=reason)


def audit_resemblance(measured: Divergence) -> AuditFinding:
    """Find weights that are not the base's: one layer of many hardly shows in what a model says."""
    weights = sorted(measured.resemblances, key=lambda weight: weight.cosine)
    strange = [weight for weight in weights if not weight.cosine >= LEAST_COSINE]
    shown = strange[:_SHOWN] or weights[:1]
    least = ", ".join(f"{weight.cosine:.3f} in {weight.name}" for weight in shown)
    return AuditFinding(
        check="weights resemble the base's",
        passed=bool(weights) and not strange,
        promised=f"each, with a cosine of at least {LEAST_COSINE:g}",
        found=f"{len(weights) - len(strange)} of {len(weights)}"
        + (f"; least: {least}" if least else ""),
    )
