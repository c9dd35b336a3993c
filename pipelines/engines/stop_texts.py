"""Texts that end an answer: where they are reached, and what of the answer is before them.

Every runtime cuts alike. The text ends where the first stop text begins. The token ids kept are the fewest
that hold all of that text: the last one may hold the beginning of the stop text too, since a token cannot
be cut.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.engines.requests import Prompt

TextOf = Callable[[Sequence[int]], str]
"""Returns the text of generated tokens, special ones left out."""
Finish = Literal["stop", "length", "error"]
"""Why a sequence ended; see `Answer`."""

# Tokens without text of their own (special ones) may stand among those of a stop text.
_SPARE_TOKENS = 8
_MARGIN_DIGITS = 4


def reaches_stop(token_ids: Sequence[int], stops: Sequence[str], text_of: TextOf) -> bool:
    """Say whether the newest token completes a stop text.

    Only the last tokens are looked at: a token with text has at least one byte, so a stop text is no
    longer in tokens than in bytes.
    """
    if not stops:
        return False
    window = max(len(stop.encode("utf-8", "surrogatepass")) for stop in stops) + _SPARE_TOKENS
    tail = text_of(token_ids[-window:])
    return any(stop and stop in tail for stop in stops)


def text_before_stop(text: str, stops: Sequence[str]) -> str:
    """Return a text up to the first stop text in it."""
    places = [at for stop in stops if stop and (at := text.find(stop)) >= 0]
    return text[: min(places)] if places else text


def before_stop(
    token_ids: Sequence[int], stops: Sequence[str], text_of: TextOf
) -> tuple[tuple[int, ...], str, bool]:
    """Return the token ids and the text before the first stop text, and whether there was one."""
    text = text_of(token_ids)
    kept = text_before_stop(text, stops)
    if kept == text:
        return tuple(token_ids), text, False
    return tuple(token_ids[: _fewest(token_ids, kept, text_of)]), kept, True


def answer_of(
    prompt: Prompt,
    generated: Sequence[int],
    finish: Finish | None,
    text_of: TextOf,
    margin: float | None = None,
) -> Answer:
    """Return the answer that was generated to a prompt, up to the first of its stop texts; see `Answer`."""
    reason = finish or "error"
    token_ids, text, stopped = before_stop(generated, prompt.stop, text_of)
    return Answer(
        item_id=prompt.item_id,
        text=text,
        token_ids=token_ids,
        finish_reason="stop" if stopped and reason != "error" else reason,
        prompt_tokens=len(prompt.token_ids),
        margin=None if margin is None else round(margin, _MARGIN_DIGITS),
    )


def _fewest(token_ids: Sequence[int], kept: str, text_of: TextOf) -> int:
    """Return how many tokens hold `kept`; more of them never hold less, so the count is bisected."""
    low, high = 0, len(token_ids)
    while low < high:
        middle = (low + high) // 2
        if text_of(token_ids[:middle]).startswith(kept):
            high = middle
        else:
            low = middle + 1
    return low
