"""Agreement of two who label the same answers, and shares with exact intervals."""

from collections.abc import Sequence
from math import sqrt

from quantgate.pipelines.domain.verdicts.judge_evidence import Estimate
from quantgate.pipelines.domain.verdicts.verdict import Interval


def cohens_kappa(table: Sequence[Sequence[int]], confidence: float) -> Estimate | None:
    """Return Cohen's kappa of a square table of counts; None where chance alone agrees always.

    Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20
    (1960). The interval is the large-sample one of Fleiss, Cohen & Everitt, "Large sample standard
    errors of kappa and weighted kappa", Psychological Bulletin 72 (1969), formula 13, cut to [-1, 1].
    """
    total = sum(map(sum, table))
    if not total:
        return None
    size = range(len(table))
    rate = [[count / total for count in row] for row in table]
    rows = [sum(row) for row in rate]
    columns = [sum(rate[i][j] for i in size) for j in size]
    chance = sum(rows[i] * columns[i] for i in size)
    if chance >= 1.0:
        return None
    kappa = (sum(rate[i][i] for i in size) - chance) / (1.0 - chance)
    agreeing = sum(rate[i][i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in size)
    differing = (
        sum(rate[i][j] * (columns[i] + rows[j]) ** 2 for i in size for j in size if i != j)
        * (1 - kappa) ** 2
    )
    centre = (kappa - chance * (1 - kappa)) ** 2
    error = sqrt(max(0.0, agreeing + differing - centre) / total) / (1 - chance)
    from scipy.special import ndtri

    half = float(ndtri(0.5 + confidence / 2.0)) * error
    return Estimate(
        value=kappa, interval=Interval(low=max(-1.0, kappa - half), high=min(1.0, kappa + half))
    )


def share(hits: int, trials: int, confidence: float) -> Estimate:
    """Return hits / trials with the two-sided interval of Clopper & Pearson (Biometrika 26, 1934)."""
    from scipy.special import betaincinv

    tail = (1.0 - confidence) / 2.0
    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1.0 - tail)) if hits < trials else 1.0
    return Estimate(value=hits / trials, interval=Interval(low=low, high=high))
