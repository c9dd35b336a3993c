"""How errors of foreign code are told."""

import pytest

from quantgate.pipelines.process.exceptions import words_of


def check(vocabulary: int, rows: int) -> None:
    if vocabulary > rows:
        raise AssertionError  # as a plain `assert` does


def test_kind_and_words_stand_on_one_line() -> None:
    assert words_of(ValueError("no\n  such tensor")) == "ValueError: no such tensor"


def test_without_words_the_line_that_raised_it_tells() -> None:
    with pytest.raises(AssertionError) as caught:
        check(3, 2)
    said = words_of(caught.value)
    assert said == "AssertionError: raise AssertionError  # as a plain `assert` does (check)"


def test_one_that_was_never_raised_says_its_kind() -> None:
    assert words_of(KeyError()) == "KeyError"
