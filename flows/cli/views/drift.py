"""How a comparison of a corpus with traffic reads."""

from collections.abc import Iterator

from quantgate.calibration.drift.results import DriftRecord, Shift, TestResult

_SHIFTS_SHOWN = 5


def drift_lines(record: DriftRecord) -> Iterator[str]:
    """Yield a comparison as people read it: the decision first, then each test and what moved."""
    comparison = record.comparison
    decision = "has drifted away from" if comparison.drifted else "is still what went into"
    yield f"{record.traffic} {decision} corpus {record.corpus}"
    for side, rows in (("corpus", comparison.corpus_rows), ("traffic", comparison.traffic_rows)):
        counts = {"repeated": rows.repeated, **rows.left_out}
        left = "".join(f", {count:,} {reason}" for reason, count in counts.items() if count)
        yield f"  {side:<8} {rows.compared:,} rows compared of {rows.rows:,}{left}"
    for note in comparison.notes:
        yield f"  note: {note}"
    for test in comparison.tests:
        yield from _test_lines(test)
    if comparison.drifted:
        yield f"  farthest rows: {', '.join(comparison.far_rows)}"
    yield (
        f"  drift is an effect above its threshold with p at most {record.settings.alpha:g} after Holm; "
        f"tokens are {record.tokenizer}"
    )


def _test_lines(test: TestResult) -> Iterator[str]:
    sign = "DRIFT" if test.alarm else "-"
    yield (
        f"  {sign:<5} {test.name:<10} effect {test.effect:.4f} {test.unit} "
        f"(threshold {test.threshold:g}), p {test.adjusted_p:.4g}"
    )
    if test.alarm or test.unit == "octaves":
        moved = [_shift_text(test, shift) for shift in test.shifts[:_SHIFTS_SHOWN]]
        if moved:
            yield f"        {'; '.join(moved)}"


def _shift_text(test: TestResult, shift: Shift) -> str:
    if test.unit == "octaves":
        return f"{shift.what} {shift.before:.0f} -> {shift.after:.0f} tokens"
    return f"{shift.what!r} {100 * shift.before:.2f} % -> {100 * shift.after:.2f} %"
