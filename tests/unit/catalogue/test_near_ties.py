"""Rounding may send a token to another expert: that is told from an engine that computes something else."""

import pytest

from quantgate.pipelines.domain.verdicts.base_divergence import BaseDivergence, Rounding, Stretch
from tests.support.architectures.building import apart


def measured(*kl: float) -> BaseDivergence:
    return BaseDivergence(
        mean_kl=sum(kl) / len(kl),
        top1_agreement=1.0,
        positions=32 * len(kl),
        longest_tokens=512,
        stretches=tuple(Stretch(first=0, last=31, mean_kl=each) for each in kl),
        begins=None,
        rounding=Rounding(mean_kl=5e-4, stretch_kl=2e-3),
        compute_dtype="float32",
    )


@pytest.mark.parametrize(
    ("kl", "share"),
    [((1e-6, 1e-6), 0.0), ((1e-6, 0.1, 1e-6, 1e-6), 0.25), ((0.1, 0.2), 1.0), ((2e-3,), 0.0)],
)
def test_the_share_of_stretches_that_are_further_off_than_rounding(
    kl: tuple[float, ...], share: float
) -> None:
    assert apart(measured(*kl)) == share
