"""Lengths of contexts as people write them."""

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.specs.contexts import parse_context


def test_contexts_are_counted_as_models_are_named() -> None:
    lengths = [parse_context(text, "--context") for text in ("8k", "128K", "1m", "4096")]

    assert lengths == [8_192, 131_072, 1_048_576, 4_096]


@pytest.mark.parametrize("text", ["", "0", "-1", "eight", "8 k", "1e9", "k"])
def test_what_is_no_length_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match="is not a number of tokens") as refused:
        parse_context(text, "--context")
    assert "8k" in str(refused.value)
