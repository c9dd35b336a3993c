"""The silent-failure sentry's findings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """One check on one variant: what was promised, what was found, whether they agree."""

    check: str
    passed: bool
    promised: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resemblance:
    """How like the base's a weight is once it is expanded again: the cosine between the two."""

    name: str
    cosine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """How far next-token distributions drift from the base's, over `tokens` positions.

    `mean_kl` is the mean Kullback-Leibler divergence KL(base || other) in nats a token;
    `top1_agreement` the share of positions at which both find the same token likeliest.
    `resemblances` are those of the quantized weights, empty where nobody looked.
    """

    mean_kl: float
    top1_agreement: float
    tokens: int
    resemblances: tuple[Resemblance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """All findings on one variant, in the order they were made; never empty."""

    findings: tuple[AuditFinding, ...]

    @property
    def passed(self) -> bool:
        """Whether there is at least one finding and every one of them passed."""
        return bool(self.findings) and all(finding.passed for finding in self.findings)

    @property
    def misses(self) -> tuple[AuditFinding, ...]:
        """The findings that did not pass."""
        return tuple(finding for finding in self.findings if not finding.passed)
