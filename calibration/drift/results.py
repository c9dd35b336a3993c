"""What a comparison of a corpus with traffic is asked for, and what it found."""

from dataclasses import dataclass

from quantgate.pipelines.domain.values import Digest

FEWEST_ROWS = 20
"""Rows that a side must have: with fewer, hardly any labelling of the rows is rarer than 1 in 1000."""


SQUARED = "squared mean discrepancy"
"""The unit of the n-grams' distance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The smallest effects that matter, whatever their significance.

    A language or token that the corpus never saw and that makes up a share s of the traffic is a
    Jensen-Shannon divergence of about s / 2 bits: 0.01 bits are 2 % of the rows, 0.02 bits 4 % of the
    tokens. 0.1 octaves are lengths that differ by 7 % on average. For n-grams it is about what one row in
    twenty from another domain makes (measured, see docs/corpora.md).
    """

    languages: float = 0.01
    lengths: float = 0.1
    tokens: float = 0.01
    ngrams: float = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftSettings:
    """How to compare. `alpha` bounds the probability of any false alarm over all tests of a comparison.

    At most `most_rows` rows of each side are compared, drawn by `seed`, and no more than
    `most_characters` of text: what a larger sample could find beyond that lies below the thresholds.
    """

    alpha: float = 0.01
    permutations: int = 999
    most_rows: int = 10_000
    most_characters: int = 5_000_000
    seed: int = 0
    thresholds: Thresholds = Thresholds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One thing that moved: a language, a token, a quantile; before is the corpus, after the traffic.

    Languages and tokens are shares (0 to 1), quantiles are tokens or words.
    """

    what: str
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """One test. `effect` is `statistic` less `chance`, its mean over permutations of the rows.

    `p_value` is that of the permutation test, `adjusted_p` after Holm over all tests of the comparison.
    """

    name: str
    unit: str
    statistic: float
    chance: float
    threshold: float
    p_value: float
    adjusted_p: float
    alarm: bool
    shifts: tuple[Shift, ...]

    @property
    def effect(self) -> float:
        """How far apart the samples are beyond what two samples of the same rows would be."""
        return self.statistic - self.chance

    @property
    def ratio(self) -> float:
        """The effect in units of its threshold, at least 0; of a squared distance the root of that.

        So all tests' ratios grow about as the share of the rows that are new.
        """
        ratio = max(0.0, self.effect / self.threshold)
        return float(ratio**0.5) if self.unit == SQUARED else ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledRows:
    """What one side was: rows read, those repeated or left out (by reason), and those compared."""

    rows: int
    repeated: int
    left_out: dict[str, int]
    compared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficComparison:
    """All tests of one comparison. `notes` say what was not compared as it stands, and why.

    `far_rows` are ids of the traffic rows that are farthest from the corpus, farthest first.
    """

    corpus_rows: SampledRows
    traffic_rows: SampledRows
    tests: tuple[TestResult, ...]
    far_rows: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def drifted(self) -> bool:
        """Whether any test is both significant and large enough to matter."""
        return any(test.alarm for test in self.tests)

    @property
    def distance(self) -> float:
        """One number for lists: the largest of the tests' ratios; from 1 on it matters."""
        return max(test.ratio for test in self.tests)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRecord:
    """What stands in the manifest of a sealed comparison. `tokenizer` is `hashed words` without a model."""

    key: Digest
    corpus: str
    corpus_digest: Digest
    traffic: str
    traffic_digest: Digest
    tokenizer: str
    compared_at: str
    settings: DriftSettings
    comparison: TrafficComparison
