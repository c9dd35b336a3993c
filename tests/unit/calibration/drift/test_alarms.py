"""Planted drift is found, and two samples of one traffic alarm no more often than they may."""

import random
from dataclasses import dataclass, replace

import pytest
from scipy.stats import binom

from quantgate.calibration.drift.compare import compare, in_languages, permutations_needed
from quantgate.calibration.drift.results import DriftSettings, Thresholds, TrafficComparison
from quantgate.calibration.drift.rows import DriftRow, sampled
from quantgate.calibration.drift.tokens import WordReader
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.language.identify import languages_of

NO_THRESHOLDS = Thresholds(languages=-1.0, lengths=-1.0, tokens=-1.0, ngrams=-1.0)
"""Significance alone decides."""

_SUBJECTS = ("order", "parcel", "invoice", "refund", "delivery", "voucher", "colour", "account")
_PLEASE = (
    "where is my {0}, I have been waiting for it since {1}",
    "please change the {0} of my last purchase to the one from {1}",
    "I would like to return the {0} that arrived on {1} because it is damaged",
    "can you tell me whether the {0} will still be sent before {1}",
    "the {0} you sent on {1} does not match what your shop confirmed by mail",
)
_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_GERMAN = (
    "wo bleibt meine Bestellung, ich warte schon seit {1} auf das Paket und höre nichts",
    "bitte ändern Sie die Lieferadresse für die Sendung, die am {1} kommen soll",
    "ich möchte die Ware zurückgeben, die am {1} beschädigt bei mir angekommen ist",
)
_CODE = (
    "the function raises a KeyError when the {0} dictionary lacks a default, see {1}.py",
    "how do I write a recursive query that joins the {0} table with itself in {1}",
    "my unit test for the {0} parser fails after upgrading the compiler on {1}",
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Rows drawn at random; `foreign` of them as `kind` says."""

    kind: str = ""
    foreign: float = 0.0

    def rows(self, count: int, seed: int) -> list[DriftRow]:
        draw = random.Random(seed)
        return [self._row(draw, number) for number in range(count)]

    def _row(self, draw: random.Random, number: int) -> DriftRow:
        kind = self.kind if draw.random() < self.foreign else ""
        said = _said(draw, kind)
        answer = f'{{"name":"look_up","arguments":{{"number":{draw.randint(100, 999)}}}}}'
        return DriftRow(f"row-{number}", (("user", said), ("assistant", answer)))


def _said(draw: random.Random, kind: str) -> str:
    templates = {"german": _GERMAN, "code": _CODE}.get(kind, _PLEASE)
    count = draw.randint(4, 7) if kind == "long" else draw.randint(1, 2)
    parts = [
        draw.choice(templates).format(draw.choice(_SUBJECTS), draw.choice(_DAYS))
        for _ in range(count)
    ]
    if kind == "digits":
        parts = [" ".join(str(draw.randint(10**6, 10**8)) for _ in range(6)), *parts[:1]]
    return f"{'. '.join(parts)}, number {draw.randint(10000, 99999)}"


def _compared(
    corpus: list[DriftRow], traffic: list[DriftRow], settings: DriftSettings
) -> TrafficComparison:
    return compare(
        sampled(corpus, settings, "corpus"),
        sampled(traffic, settings, "traffic"),
        settings,
        tokens=WordReader(),
        languages_of=languages_of,
    )


def _false_alarms(repeats: int, rows: int, settings: DriftSettings) -> tuple[int, dict[str, int]]:
    """Count comparisons of equals that alarm, and by test p-values of at most alpha before Holm."""
    alarms, single = 0, dict.fromkeys(("languages", "lengths", "tokens", "n-grams"), 0)
    traffic = Traffic("german", 0.2)
    for repeat in range(repeats):
        found = _compared(
            traffic.rows(rows, 2 * repeat),
            traffic.rows(2 * rows, 2 * repeat + 1),
            replace(settings, seed=repeat),
        )
        alarms += found.drifted
        for test in found.tests:
            single[test.name] += test.p_value <= settings.alpha
    return alarms, single


def _hold(repeats: int, rows: int, alpha: float) -> None:
    settings = DriftSettings(alpha=alpha, permutations=199, thresholds=NO_THRESHOLDS)
    alarms, single = _false_alarms(repeats, rows, settings)
    low, high = binom.ppf([0.001, 0.999], repeats, alpha)
    assert alarms <= high
    for name, count in single.items():
        assert low <= count <= high, (
            name
        )  # neither too many nor, which would be useless, far too few


def test_two_samples_of_one_traffic_alarm_no_more_often_than_alpha() -> None:
    _hold(repeats=60, rows=40, alpha=0.1)


@pytest.mark.slow
def test_two_samples_of_one_traffic_alarm_no_more_often_than_alpha_over_a_thousand() -> None:
    _hold(repeats=1000, rows=200, alpha=0.05)


@pytest.mark.parametrize(
    ("kind", "share", "tests"),
    [
        ("german", 0.1, {"languages", "tokens"}),
        ("code", 0.2, {"tokens", "n-grams"}),
        ("long", 0.2, {"lengths"}),
        ("digits", 0.2, {"tokens", "n-grams"}),
    ],
)
def test_a_new_tenant_is_found(kind: str, share: float, tests: set[str]) -> None:
    for seed in range(2):
        found = _compared(
            Traffic().rows(300, 2 * seed),
            Traffic(kind, share).rows(400, 2 * seed + 1),
            DriftSettings(seed=seed, permutations=1),
        )
        assert found.drifted
        assert tests <= {one.name for one in found.tests if one.alarm}
        assert found.distance >= 1.0


def test_what_moved_is_said() -> None:
    found = _compared(Traffic().rows(400, 1), Traffic("german", 0.15).rows(400, 2), DriftSettings())
    tests = {test.name: test for test in found.tests}
    german = next(shift for shift in tests["languages"].shifts if shift.what == "de")
    assert german.before == 0.0
    assert german.after == pytest.approx(0.15, abs=0.04)
    assert {shift.what for shift in tests["tokens"].shifts} & {"die", "ich", "am", "bitte"}
    assert [shift.what for shift in tests["lengths"].shifts] == ["p10", "p50", "p90", "p99"]
    assert len(found.far_rows) == 10


def test_a_real_difference_too_small_to_matter_does_not_alarm() -> None:
    settings = DriftSettings(permutations=399)
    found = _compared(Traffic().rows(6000, 1), Traffic("german", 0.006).rows(6000, 2), settings)
    languages = found.tests[0]
    assert languages.adjusted_p <= settings.alpha
    assert not languages.alarm
    assert not found.drifted
    assert 0.0 < found.distance < 1.0


def test_a_smaller_alpha_asks_for_more_permutations() -> None:
    assert permutations_needed(DriftSettings(alpha=0.01)) == 999
    assert permutations_needed(DriftSettings(alpha=0.0005)) == 16_000


def test_the_same_comparison_is_the_same_again() -> None:
    corpus, traffic = Traffic().rows(60, 1), Traffic("code", 0.3).rows(60, 2)
    assert _compared(corpus, traffic, DriftSettings()) == _compared(
        corpus, list(reversed(traffic)), DriftSettings()
    )


def test_a_log_of_requests_is_compared_with_what_the_corpus_asked() -> None:
    requests = [DriftRow(row.id, row.parts[:1]) for row in Traffic().rows(200, 2)]
    found = _compared(Traffic().rows(200, 1), requests, DriftSettings())
    assert not found.drifted
    assert found.notes == ("the traffic holds no answers, so only what was asked is compared",)


def test_rows_on_both_sides_are_said_to_hide_drift() -> None:
    corpus = Traffic().rows(100, 1)
    new = Traffic().rows(100, 2)
    assert _compared(corpus, new, DriftSettings()).notes == ()
    found = _compared(corpus, [*new, *corpus[:30]], DriftSettings())
    assert found.notes == (
        "30 of the compared traffic rows stand in the corpus as well, which hides drift",
    )


def test_conversations_with_and_without_answers_would_alarm_by_that_alone() -> None:
    texts = [DriftRow(row.id, (("text", row.parts[0][1]),)) for row in Traffic().rows(200, 1)]
    assert _compared(texts, Traffic().rows(200, 2), DriftSettings()).drifted


def test_languages_that_the_spec_leaves_out_are_counted_and_not_compared() -> None:
    rows = sampled(Traffic("german", 0.3).rows(100, 1), DriftSettings(), "traffic")
    kept = in_languages(rows, ("en",), languages_of)
    assert 60 <= len(kept.rows) < 85
    assert kept.counts.left_out == {"language": 100 - len(kept.rows)}
    assert kept.counts.compared == len(kept.rows)


def test_too_few_rows_and_an_impossible_alpha_are_refused() -> None:
    with pytest.raises(InputError, match="19 distinct rows with content are too few"):
        _compared(Traffic().rows(19, 1), Traffic().rows(50, 2), DriftSettings())
    with pytest.raises(InputError, match="too few") as caught:
        _compared(Traffic().rows(50, 1), Traffic().rows(1, 2) * 50, DriftSettings())
    assert caught.value.where == "traffic"
    with pytest.raises(InputError, match="between 0 and 1"):
        _compared(Traffic().rows(50, 1), Traffic().rows(50, 2), DriftSettings(alpha=0.0))
