"""Stop texts: where an answer ends, and which of its tokens are kept."""

from collections.abc import Sequence

import pytest

from quantgate.pipelines.engines.stop_texts import before_stop, reaches_stop

PIECES = ("", "Hel", "lo", " wor", "ld", "\n", "Q", ":", "\nQ: n", "é", "STOP")


def text_of(token_ids: Sequence[int]) -> str:
    return "".join(PIECES[token] for token in token_ids)


@pytest.mark.parametrize(
    ("token_ids", "stops", "kept", "text"),
    [
        ((1, 2, 5, 6, 7), ("\nQ:",), (1, 2), "Hello"),
        ((1, 2, 8), ("\nQ:",), (1, 2), "Hello"),
        ((1, 2, 3, 4, 10), ("STOP",), (1, 2, 3, 4), "Hello world"),
        ((1, 2, 3, 4), ("wor",), (1, 2, 3), "Hello "),
        ((1, 2, 3, 4), ("world", "lo"), (1,), "Hel"),
        ((1, 2), ("Hello",), (), ""),
        ((1, 0, 0, 2, 5), ("\n",), (1, 0, 0, 2), "Hello"),
    ],
)
def test_text_and_tokens_end_before_the_first_stop_text(
    token_ids: tuple[int, ...], stops: tuple[str, ...], kept: tuple[int, ...], text: str
) -> None:
    assert before_stop(token_ids, stops, text_of) == (kept, text, True)
    assert any(reaches_stop(token_ids[: n + 1], stops, text_of) for n in range(len(token_ids)))


def test_a_token_that_begins_before_a_stop_text_is_kept_whole() -> None:
    """Its text is needed, and a token cannot be cut."""
    kept, text, stopped = before_stop((1, 2, 8), ("Q: n",), text_of)
    assert (kept, text, stopped) == ((1, 2, 8), "Hello\n", True)


@pytest.mark.parametrize("stops", [(), ("absent",), ("",)])
def test_without_a_stop_text_all_is_kept(stops: tuple[str, ...]) -> None:
    assert before_stop((1, 2, 9), stops, text_of) == ((1, 2, 9), "Helloé", False)
    assert not reaches_stop((1, 2, 9), stops, text_of)


def test_a_stop_text_is_seen_as_soon_as_it_is_complete_and_not_before() -> None:
    reached = [reaches_stop((1, 2, 5, 6, 7)[:n], ("\nQ:",), text_of) for n in range(1, 6)]
    assert reached == [False, False, False, False, True]
