"""Divergence: the arithmetic against hand-computed values, and what the audit makes of it."""

import errno
import json
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy
import pytest

from quantgate.pipelines.audit.divergence import (
    FACTOR,
    FLOOR,
    audit_divergence,
    audit_resemblance,
    unmeasured_divergence,
)
from quantgate.pipelines.domain.errors import CheckpointError, InputError, ToolchainError
from quantgate.pipelines.domain.verdicts.audit import Divergence, Resemblance, Tripwires
from quantgate.pipelines.domain.verdicts.ruler import Ruler
from quantgate.pipelines.engines.divergence.base_logits import (
    BaseLogits,
    BasePass,
    Logits,
    base_logits,
    batch_tokens,
    read_windows,
    temporary_file,
)
from quantgate.pipelines.engines.divergence.sums import DivergenceSums
from quantgate.pipelines.files.records import from_json, to_json

RULER = Ruler(label="W4")


def measured(mean_kl: float) -> Divergence:
    return Divergence(mean_kl=mean_kl, top1_agreement=0.9, tokens=100)


def base(*rows: list[float]) -> BaseLogits:
    logits = BaseLogits(len(rows[0]), BytesIO())
    logits.add(numpy.array(rows, dtype=numpy.float32))
    return logits


def divergence(logits: BaseLogits, *rows: list[float]) -> Divergence:
    sums = DivergenceSums(logits)
    sums.add(numpy.array(rows, dtype=numpy.float32))
    return sums.result()


def test_equal_distributions_do_not_diverge_at_all() -> None:
    logits = base([1.0, 2.0, 3.0], [0.0, 0.0, 5.0])
    found = divergence(logits, [1.0, 2.0, 3.0], [0.0, 0.0, 5.0])
    assert found == Divergence(mean_kl=0.0, top1_agreement=1.0, tokens=2)


def test_the_divergence_is_the_one_computed_by_hand() -> None:
    """From (1/2, 1/2) to (1/4, 3/4): half of log 2 plus half of log 2/3."""
    logits = base([0.0, 0.0])
    found = divergence(logits, [0.0, math.log(3)])
    assert found.mean_kl == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3), abs=1e-7)


def test_adding_a_constant_to_all_logits_changes_nothing() -> None:
    logits = base([1.0, 2.0, 4.0])
    assert divergence(logits, [101.0, 102.0, 104.0]).mean_kl == pytest.approx(0.0, abs=1e-12)


def test_agreement_counts_positions_with_the_same_likeliest_token() -> None:
    logits = base([1.0, 2.0], [2.0, 1.0], [5.0, 1.0], [1.0, 5.0])
    found = divergence(logits, [2.0, 1.0], [2.0, 1.0], [5.0, 1.0], [1.0, 5.0])
    assert found.top1_agreement == 0.75


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_diverge_infinitely(bad: float) -> None:
    found = divergence(base([1.0, 2.0], [1.0, 2.0]), [1.0, bad], [1.0, 2.0])
    assert math.isinf(found.mean_kl)
    assert from_json(Divergence, to_json(found)) == found, "it survives being written down"


def test_a_base_without_finite_logits_is_no_reference() -> None:
    with pytest.raises(CheckpointError, match="base's own logits"):
        base([1.0, math.nan])


def test_different_vocabularies_have_no_divergence() -> None:
    with pytest.raises(CheckpointError, match="3 logits a token and the base 2"):
        divergence(base([1.0, 2.0]), [1.0, 2.0, 3.0])


def test_a_large_vocabulary_is_taken_in_pieces_with_the_same_result() -> None:
    random = numpy.random.default_rng(0)
    rows = random.standard_normal((40, 128_256)).astype(numpy.float32)
    noise = rows + random.standard_normal(rows.shape).astype(numpy.float32)
    logits = BaseLogits(rows.shape[1], BytesIO())
    logits.add(rows)
    sums = DivergenceSums(logits)
    sums.add(noise[:7])
    sums.add(noise[7:])
    exact, drifted = rows.astype(numpy.float64), noise.astype(numpy.float64)
    exact -= numpy.log(numpy.exp(exact).sum(axis=1, keepdims=True))
    drifted -= numpy.log(numpy.exp(drifted).sum(axis=1, keepdims=True))
    expected = (numpy.exp(exact) * (exact - drifted)).sum(axis=1).mean()
    assert sums.result().mean_kl == pytest.approx(expected, rel=1e-12)


def test_threads_change_no_digit() -> None:
    random = numpy.random.default_rng(1)
    rows = random.standard_normal((300, 5000)).astype(numpy.float32)
    noise = rows + 0.01 * random.standard_normal(rows.shape, dtype=numpy.float32)
    windows = [tuple(int(token) for token in random.integers(0, 5000, len(rows) + 1))]
    results = []
    for threads in (1, 3):
        logits = BaseLogits(rows.shape[1], BytesIO(), windows)
        logits.add(rows)
        sums = DivergenceSums(logits, threads)
        sums.add(noise)
        results.append(sums.result())
    assert results[0] == results[1]


def test_perplexities_and_margins_are_the_ones_computed_by_hand() -> None:
    """Tokens 1 and 0 came: the base gives them 3/4 and 1/2, the other 1/2 and 1/4."""
    logits = BaseLogits(2, BytesIO(), [(9, 1), (9, 0)])
    logits.add(numpy.array([[0.0, math.log(3)], [0.0, 0.0]], dtype=numpy.float32))
    sums = DivergenceSums(logits)
    sums.add(numpy.array([[0.0, 0.0]], dtype=numpy.float32))
    sums.add(numpy.array([[0.0, math.log(3)]], dtype=numpy.float32))
    found = sums.result()

    assert found.tripwires is not None
    assert found.tripwires.base_perplexity == pytest.approx((3 / 4 * 1 / 2) ** -0.5)
    assert found.tripwires.perplexity == pytest.approx((1 / 2 * 1 / 4) ** -0.5)
    assert found.tripwires.base_margin == pytest.approx(math.log(3) / 2)
    assert found.tripwires.margin == pytest.approx(math.log(3) / 2)
    assert found.tripwires.perplexity_ratio == pytest.approx(3**0.5)
    assert found.tripwires.margin_ratio == pytest.approx(1.0)
    shown = audit_divergence(found, RULER, replace(found, mean_kl=1.0)).found
    assert "perplexity 2.83 for the base's 1.63 (1.732 times), decision margin 1.000 times" in shown


def test_a_perplexity_beyond_all_numbers_is_infinite_and_judges_nothing() -> None:
    logits = BaseLogits(2, BytesIO(), [(9, 1)])
    logits.add(numpy.array([[0.0, 0.0]], dtype=numpy.float32))
    sums = DivergenceSums(logits)
    sums.add(numpy.array([[0.0, math.nan]], dtype=numpy.float32))
    found = sums.result()

    assert found.tripwires is not None
    assert math.isinf(found.tripwires.perplexity)
    assert from_json(Divergence, to_json(found)) == found


def test_a_variant_of_twice_the_perplexity_passes_the_audit_by_its_divergence_alone() -> None:
    signs = Tripwires(base_perplexity=2.0, perplexity=4.0, base_margin=3.0, margin=1.0)
    found = replace(measured(0.01), tripwires=signs)

    assert audit_divergence(found, RULER, measured(0.01)).passed


class Base:
    """A base of two positions; counts how often it was run."""

    def __init__(self, *rows: list[float]) -> None:
        self.rows, self.runs = rows, 0

    @contextmanager
    def load(self) -> Iterator[BasePass]:
        self.runs += 1
        yield BasePass(vocabulary_size=2, windows=[(7, 1, 0)], logits=self._logits())

    def _logits(self) -> Iterator[Logits]:
        for row in self.rows:
            yield numpy.array([row], dtype=numpy.float32)


def test_a_base_is_run_once_and_its_logits_are_kept(tmp_path: Path) -> None:
    base, folder = Base([1.0, 2.0], [3.0, 4.0]), tmp_path / "kept"
    for _ in range(3):
        with base_logits(folder, base.load) as logits:
            assert logits.windows == ((7, 1, 0),)
            assert logits.read(1, 1).tolist() == [[3.0, 4.0]]
            assert divergence(logits, [1.0, 2.0], [3.0, 4.0]).mean_kl == 0.0
    assert base.runs == 1


def test_logits_that_nobody_wants_kept_are_gone_afterwards() -> None:
    with base_logits(None, Base([1.0, 2.0], [3.0, 4.0]).load) as logits:
        assert divergence(logits, [1.0, 2.0], [3.0, 4.0]).mean_kl == 0.0
    with pytest.raises(ValueError, match="closed file"):
        logits.read(0, 1)


def test_a_full_temporary_folder_is_named() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(ToolchainError, match=r"No space left") as caught, temporary_file():
        raise full
    assert caught.value.where == tempfile.gettempdir()
    assert "TMPDIR" in str(caught.value.next_step)


def test_other_troubles_with_files_are_not_taken_for_a_full_disk() -> None:
    with pytest.raises(FileNotFoundError), temporary_file():
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")


def test_kept_logits_that_were_altered_are_refused(tmp_path: Path) -> None:
    base, folder = Base([1.0, 2.0], [3.0, 4.0]), tmp_path / "kept"
    with base_logits(folder, base.load):
        pass
    file = folder / "logits.f32"
    file.write_bytes(bytes(reversed(file.read_bytes())))
    with pytest.raises(InputError, match="altered"), base_logits(folder, base.load):
        pass


def test_a_base_that_fails_on_its_way_keeps_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    broken = Base([1.0, 2.0], [3.0, math.inf])
    with pytest.raises(CheckpointError, match="not finite"), base_logits(folder, broken.load):
        pass
    with base_logits(folder, Base([1.0, 2.0], [3.0, 4.0]).load) as logits:
        assert logits.read(1, 1).tolist() == [[3.0, 4.0]]


def test_batches_stay_within_64_mebibytes_of_logits() -> None:
    assert batch_tokens(1000) == 512
    assert batch_tokens(128_256) * 128_256 * 4 <= 1 << 26
    assert batch_tokens(10_000_000) == 16


def windows(folder: Path, *lengths: int, **limits: int) -> list[int]:
    file = folder / "tokens.jsonl"
    rows = [{"id": str(at), "token_ids": list(range(length))} for at, length in enumerate(lengths)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    cut = read_windows(file, **{"max_tokens": 100, "context_tokens": 50} | limits)
    return [len(window) for window in cut]


def test_sequences_are_taken_in_order_and_the_last_is_cut(tmp_path: Path) -> None:
    assert windows(tmp_path, 10, 10, 10, max_tokens=12) == [10, 4]
    assert windows(tmp_path, 10, 10, max_tokens=9) == [10]


def test_a_sequence_is_cut_to_the_context_and_one_token_has_nothing_to_predict(
    tmp_path: Path,
) -> None:
    assert windows(tmp_path, 80, 1, 0, 5) == [50, 5]
    with pytest.raises(InputError, match="no sequence of two tokens"):
        windows(tmp_path, 1, 0)


def test_up_to_a_factor_of_the_ruler_passes() -> None:
    nearest = measured(0.01)
    assert audit_divergence(measured(FACTOR * 0.01), RULER, nearest).passed
    assert not audit_divergence(measured(FACTOR * 0.01 + 2 * FLOOR), RULER, nearest).passed


def test_tiny_divergences_are_not_compared_with_tinier_ones() -> None:
    assert audit_divergence(measured(FLOOR / 2), RULER, measured(1e-9)).passed


def test_no_divergence_at_all_is_the_base_itself() -> None:
    finding = audit_divergence(measured(0.0), RULER, measured(0.01))
    assert not finding.passed
    assert finding.found.startswith("0 nats")


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_an_infinite_divergence_fails(bad: float) -> None:
    assert not audit_divergence(measured(bad), RULER, measured(0.01)).passed


def test_the_finding_shows_divergence_agreement_and_the_ruler() -> None:
    finding = audit_divergence(measured(0.02), RULER, measured(0.01))
    assert "W4 rounded to nearest" in finding.promised
    assert finding.found.startswith("0.02 nats a token")
    assert "90.0 % of 100 positions" in finding.found


def test_what_was_not_measured_does_not_pass() -> None:
    assert not unmeasured_divergence("it does not load").passed


def resembling(**cosines: float) -> Divergence:
    weights = tuple(Resemblance(name=name, cosine=value) for name, value in cosines.items())
    return replace(measured(0.01), resemblances=weights)


def test_weights_that_are_the_bases_pass_and_the_least_like_is_shown() -> None:
    finding = audit_resemblance(resembling(up=0.99, down=0.72))
    assert finding.passed
    assert finding.found == "2 of 2; least: 0.720 in down"


@pytest.mark.parametrize("cosine", [0.0, 0.1, -0.9, math.nan])
def test_one_weight_that_is_not_the_bases_fails_and_is_named(cosine: float) -> None:
    finding = audit_resemblance(resembling(up=0.99, down=cosine))
    assert not finding.passed
    assert "in down" in finding.found


def test_no_weight_to_compare_proves_nothing() -> None:
    assert not audit_resemblance(resembling()).passed
