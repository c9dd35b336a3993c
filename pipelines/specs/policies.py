"""Policy files."""

from pathlib import Path

from pydantic import Field, model_validator

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.policy import FamilyWise, Policy, SlicePolicy
from quantgate.pipelines.specs.loading import Spec, did_you_mean, load_yaml


class RulesSpec(Spec):
    """Rules that may be asked of the whole suite and of a slice; what is left out is not asked."""

    non_inferiority: float | None = Field(default=None, gt=0, lt=1)
    """How much accuracy (the mean score where grades are graded) may have fallen at most: 0.02 is two points.
    It passes by the one-sided lower bound of the paired difference."""
    min_accuracy: float | None = Field(default=None, gt=0, lt=1)
    """The least accuracy of the variant itself. It passes by its exact one-sided lower bound, and fails where
    the observed accuracy is below."""
    max_verbosity_ratio: float | None = Field(default=None, gt=0)
    """The most tokens of answers for one of the reference's on the same items, e.g. 1.2."""
    max_refusal_rate_increase: float | None = Field(default=None, gt=0, lt=1)
    """How much the rate of refusals may have risen at most: 0.05 is five points. It passes by the one-sided
    upper bound of the paired difference, on items whose grader tells refusals."""


class SlicePolicySpec(RulesSpec):
    """What one slice is held to apart from the rest."""

    critical: bool = False
    """Whether not a single item of it may break."""
    max_break_rate: float | None = Field(default=None, gt=0, lt=1)
    """Its own limit of the break rate; the policy's where it is left out."""
    confidence: float | None = Field(default=None, gt=0.5, lt=1)
    """Its own confidence; the policy's where it is left out."""


class PolicySpec(RulesSpec):
    """A policy file: when a variant may ship. Every key has a default."""

    max_break_rate: float = Field(default=0.10, gt=0, lt=1)
    """The most that may break of the items which the full-precision model reliably gets right."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence of the exact one-sided upper bound that has to stay below it."""
    critical_slices: tuple[str, ...] = ()
    """Slices of the suite in which not a single item may break."""
    require_all_slices: bool = False
    """Whether slices too small to prove themselves block as well."""
    reference_runs: int = Field(default=3, ge=1, le=50)
    """How often the base answers the suite; items it disagrees on with itself do not count."""
    variant_runs: int = Field(default=1, ge=1, le=50)
    """How often each variant answers the suite; what breaks in some of its runs counts at its rate."""
    family_wise: FamilyWise = "none"
    """`holm` holds all variants of a build to the confidence together: many tries pass less by luck."""
    early_stopping: bool = False
    """Whether a variant is not asked the rest of the suite once no answer can change its decision."""
    slices: dict[str, SlicePolicySpec] = Field(default_factory=dict)
    """Slices with limits and rules of their own, by name."""

    @model_validator(mode="after")
    def _needs_every_p_value(self) -> "PolicySpec":
        if self.early_stopping and self.family_wise == "holm":
            raise ValueError(
                "early_stopping and family_wise: holm exclude each other, because Holm's adjustment "
                "of one variant needs the finished runs of all others"
            )
        return self

    @model_validator(mode="after")
    def _stops_a_single_run(self) -> "PolicySpec":
        if self.early_stopping and self.variant_runs > 1:
            raise ValueError(
                "early_stopping and variant_runs exclude each other: what is settled in one run of a "
                "variant is not settled in the others"
            )
        return self

    def policy(self) -> Policy:
        """Return the policy."""
        limits_by_slice = {
            name: slice_spec.model_dump() for name, slice_spec in self.slices.items()
        }
        return Policy(
            **self.model_dump(exclude={"slices"}),
            slices=tuple(
                SlicePolicy(name=name, **limits) for name, limits in limits_by_slice.items()
            ),
        )


def load_policy(path: Path | None, suite: Suite) -> Policy:
    """Read a policy file (the default policy where there is none) and hold it against the suite.

    Raises:
        InputError: with every problem, and for slices that the suite does not have.
    """
    spec = load_yaml(path, PolicySpec) if path else PolicySpec()
    policy = spec.policy()
    names = [suite_slice.name for suite_slice in suite.slices]
    problems = [
        f"{'critical slice' if name in policy.critical_slices else 'slice'} '{name}' is not in suite "
        f"'{suite.name}'{did_you_mean(name, names)}"
        for name in policy.named_slices
        if name not in names
    ]
    if problems:
        raise InputError(
            "\n  ".join(problems),
            where=str(path),
            next_step="name slices that the suite's suite.yaml declares",
        )
    return policy
