"""Patterns of a corpus's filters: one that would search for ever is refused, one that is none is told."""

import pytest

from quantgate.calibration.drawing.scanning import RowFilter
from quantgate.calibration.sources.rows import SourceRow
from quantgate.calibration.specs.corpus import Filters
from quantgate.calibration.specs.corpus_file import CorpusFile
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.specs.loading import validated


def test_a_pattern_that_would_search_for_ever_is_refused_with_its_name() -> None:
    sieve = RowFilter(Filters(exclude=(r"^(a|a)+$",)))
    with pytest.raises(InputError, match="needs longer than 1 s on a row of a source"):
        sieve.reason(SourceRow(text="a" * 60 + "!"))


def test_patterns_leave_rows_out_as_they_say() -> None:
    sieve = RowFilter(Filters(include=("refund",), exclude=("test",)))
    texts = ("a refund", "a parcel", "a test refund")
    assert [sieve.reason(SourceRow(text=text)) for text in texts] == [
        None,
        "not_included",
        "excluded",
    ]


def test_what_is_no_pattern_is_told_with_its_place() -> None:
    found = validated({"filters": {"include": ["(a"]}}, CorpusFile)
    assert isinstance(found, list)
    assert any(text.startswith("filters.include: is no regular expression") for text in found)
