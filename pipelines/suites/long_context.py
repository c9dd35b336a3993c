"""`long_context:` of a suite file: to which lengths items are stretched, and with what."""

from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import Field, JsonValue, field_validator, model_validator

from quantgate.pipelines.specs.loading import Spec

CHARACTERS_PER_TOKEN = 4.0
_THOUSAND = 1024
_LONGEST_TOKENS = 16 << 20
"""No model's context is longer; to write such a text takes minutes an item."""
_SLICE = "long_"
_DIGITS = 100
_USUAL_LENGTHS = ("8k", "16k", "32k", "64k", "128k")


class LongContextFile(Spec):
    """Items stretched with distractor text until they fill a context of a given length."""

    lengths: tuple[str, ...] = Field(min_length=1)
    """Contexts to fill, in tokens: `8k` is 8,192, `64k` is 65,536; plain numbers are tokens."""
    depths: tuple[float, ...] = Field(default=(1.0,), min_length=1)
    """How much of the distractor text comes before the question: 1 puts the question at the end."""
    slices: tuple[str, ...] = ()
    """Whose items are stretched; without it, all are."""
    take: int | None = Field(default=None, gt=0)
    """How many of them, drawn by the seed; without it, all."""
    seed: int = 0
    """Of the draw, and of the distractor text."""
    distractors: str | None = None
    """A text file (a paragraph a line) or JSON lines (`text`, or `messages`), relative to the suite file;
    without it, built-in sentences in the item's language."""
    tokenizer: str | None = None
    """A tokenizer.json, or a checkpoint folder that holds one, which counts tokens exactly."""
    characters_per_token: float = Field(default=CHARACTERS_PER_TOKEN, gt=0, le=100)
    """Where no tokenizer is named, how many characters count as a token."""

    @field_validator("lengths", mode="before")
    @classmethod
    def _as_texts(cls, value: JsonValue) -> JsonValue:
        return [str(length) for length in value] if isinstance(value, list) else value

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        for length in self.lengths:
            if not _is_length(length):
                raise ValueError(f"lengths: '{length}' is not a length like 8k or 8192")
            if length_tokens(length) > _LONGEST_TOKENS:
                raise ValueError(f"lengths: no model has a context of {length} tokens")
        if not all(0 <= depth <= 1 for depth in self.depths):
            raise ValueError(
                "depths: a depth lies between 0 (question first) and 1 (question last)"
            )
        return self


def long_slice(length: str) -> str:
    """Return the slice of items stretched to a length: `long_8k`."""
    return f"{_SLICE}{length}"


def length_tokens(length: str) -> int:
    """Return how many tokens a length such as `8k` means."""
    return int(length.removesuffix("k")) * (_THOUSAND if length.endswith("k") else 1)


def lengths_of(slices: Iterable[str]) -> tuple[str, ...]:
    """Return the lengths whose slices are among these names."""
    ends = (name.removeprefix(_SLICE) for name in slices if name.startswith(_SLICE))
    return tuple(end for end in ends if _is_length(end))


def beyond_context(lengths: Sequence[str], context_length_tokens: int) -> str | None:
    """Say which lengths a model has no room for and which ones fit it; None where all of them do."""
    beyond = [length for length in lengths if length_tokens(length) > context_length_tokens]
    if not beyond:
        return None
    others = dict.fromkeys((*lengths, *_USUAL_LENGTHS))
    fitting = [length for length in others if length_tokens(length) <= context_length_tokens]
    which = f"lengths that fit: {', '.join(fitting)}" if fitting else "none of 8k and more fits"
    exceed = "exceeds" if len(beyond) == 1 else "exceed"
    return (
        f"long_context: {', '.join(beyond)} {exceed} the model's context of "
        f"{context_length_tokens:,} tokens; {which}"
    )


def _is_length(text: str) -> bool:
    number = text.removesuffix("k")
    return number.isascii() and number.isdigit() and len(number) < _DIGITS and int(number) > 0
