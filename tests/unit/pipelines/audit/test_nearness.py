"""A weight may be as far from the base's as rounding to its type takes it, and not much farther."""

import pytest

from quantgate.pipelines.audit.nearness import TYPICAL, audit_nearness
from quantgate.pipelines.domain.verdicts.audit import Divergence, Resemblance
from quantgate.pipelines.formats.gguf.types import GGML_TYPES


def measured(**cosines: float) -> Divergence:
    return Divergence(
        mean_kl=0.01,
        top1_agreement=1.0,
        tokens=9,
        resemblances=tuple(Resemblance(name=n, cosine=c) for n, c in cosines.items()),
    )


def test_fewer_bits_move_a_weight_farther() -> None:
    bits = [
        GGML_TYPES[kind].bits_per_weight
        for kind in ("Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K")
    ]
    moved = [TYPICAL[kind] for kind in ("Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K")]
    assert bits == sorted(bits, reverse=True)
    assert moved == sorted(moved)


@pytest.mark.parametrize("kind", TYPICAL)
def test_what_rounding_does_passes_and_five_times_that_does_not(kind: str) -> None:
    honest = audit_nearness(measured(w=1 - 1.5 * TYPICAL[kind]), {"w": kind})
    assert (honest.passed, honest.found) == (True, "1 of 1; farthest: 1.5 times in w")
    strange = audit_nearness(measured(w=1 - 5 * TYPICAL[kind], v=1.0), {"w": kind, "v": kind})
    assert (strange.passed, strange.found) == (False, "1 of 2; farthest: 5 times in w")


def test_types_that_tell_nothing_are_left_to_the_cosine() -> None:
    finding = audit_nearness(measured(w=0.6, x=0.1), {"w": "IQ1_S"})
    assert (finding.passed, finding.found) == (True, "0 of 0")


def test_a_weight_that_is_not_finite_is_strange() -> None:
    assert not audit_nearness(measured(w=float("nan")), {"w": "Q8_0"}).passed
