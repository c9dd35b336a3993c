"""What the converter says without words is told in words."""

from quantgate.pipelines.engines.llamacpp.workers.building.converter import plain_reason


def test_a_bare_assertion_of_the_converter_is_told_in_words() -> None:
    bare = "AssertionError: assert max(tokenizer.vocab.values()) < vocab_size  # (get_vocab_base)"
    assert "added tokens beyond the rows of its embeddings" in plain_reason(bare)


def test_whatever_else_it_says_stands_as_it_is() -> None:
    assert plain_reason("KeyError: 'rope_theta'") == "KeyError: 'rope_theta'"
