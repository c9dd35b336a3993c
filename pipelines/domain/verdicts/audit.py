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
class Tripwires:
    """Cheap signs that something changed, beside the divergence; they explain and never judge.

    Perplexities are those of the tokens that really came next. Margins are the mean distance between the
    likeliest token's logit and the second's: small where the choice is nearly a toss-up.
    """

    base_perplexity: float
    perplexity: float
    base_margin: float
    margin: float

    @property
    def perplexity_ratio(self) -> float:
        """Perplexity for one of the base's."""
        return self.perplexity / self.base_perplexity

    @property
    def margin_ratio(self) -> float:
        """Decision margin for one of the base's; 1 where the base has none at all."""
        return self.margin / self.base_margin if self.base_margin else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """How far next-token distributions drift from the base's, over `tokens` positions.

    `mean_kl` is the mean Kullback-Leibler divergence KL(base || other) in nats a token;
    `top1_agreement` the share of positions at which both find the same token likeliest.
    `resemblances` are those of the quantized weights, empty where nobody looked; `tripwires` are None where
    the tokens that came next were not told.
    """

    mean_kl: float
    top1_agreement: float
    tokens: int
    resemblances: tuple[Resemblance, ...] = ()
    tripwires: Tripwires | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """All findings on one variant, in the order they were made; never empty.

    `divergence` is what was measured on the way, without the weights' resemblances; None where it was not.
    """

    findings: tuple[AuditFinding, ...]
    divergence: Divergence | None = None

    @property
    def passed(self) -> bool:
        """Whether there is at least one finding and every one of them passed."""
        return bool(self.findings) and all(finding.passed for finding in self.findings)

    @property
    def misses(self) -> tuple[AuditFinding, ...]:
        """The findings that did not pass."""
        return tuple(finding for finding in self.findings if not finding.passed)
